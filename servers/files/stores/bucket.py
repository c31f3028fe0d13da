"""An S3 bucket in our terms: blobs under their digests, checked by the server, every refusal one error."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import certifi
import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from servers.files.stores.settings import BucketSettings
from servers.kit.errors import NotReady, StorageUnavailable

T = TypeVar("T")

PART_BYTES = 16 * 2**20
"""A larger blob goes up in parts of this size, two at a time."""
CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 10.0
_MISSING = frozenset({"NoSuchKey", "NoSuchObject"})


class Bucket:
    """One bucket. Its calls block, so they run on threads of their own: a store that hangs holds nothing else up."""

    def __init__(self, settings: BucketSettings) -> None:
        scheme, _, host = settings.endpoint.partition("://")
        self._name = settings.bucket
        self._client = Minio(
            endpoint=host,
            access_key=settings.access_key.get_secret_value(),
            secret_key=settings.secret_key.get_secret_value(),
            region=settings.region,
            secure=scheme == "https",
            http_client=urllib3.PoolManager(
                maxsize=8,
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
                retries=urllib3.Retry(total=1, backoff_factor=0.1, status_forcelist=[500, 502, 503, 504]),
                cert_reqs="CERT_REQUIRED",
                ca_certs=str(settings.ca_file or certifi.where()),
            ),
        )
        if not settings.is_path_style:
            self._client.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]  # it has no annotations
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="bucket")

    async def ensure(self) -> None:
        """Make the bucket where it is missing.

        Raises:
          NotReady: the store answers and refuses us.
          StorageUnavailable: it does not answer.
        """

        def make() -> None:
            try:
                if not self._client.bucket_exists(bucket_name=self._name):
                    self._client.make_bucket(bucket_name=self._name)
            except S3Error as error:
                if error.code == "BucketAlreadyOwnedByYou":
                    return
                raise NotReady(
                    f"the object store refuses bucket {self._name}: {error.code}. See LOUPE_FILES_S3_*"
                ) from error

        await self._call(make)

    async def put(self, sha256: str, path: Path) -> None:
        """Store a file's bytes under their digest; the server has checked each byte when this returns."""

        def upload() -> None:
            size = path.stat().st_size
            if self._size(sha256) == size:
                return
            # Of one part, the server is told the digest and refuses other bytes; parts carry digests of their own.
            checked = {"x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(sha256)).decode()}
            with path.open("rb") as file:
                self._client.put_object(
                    bucket_name=self._name,
                    object_name=_key(sha256),
                    data=file,
                    length=size,
                    part_size=PART_BYTES,
                    num_parallel_uploads=2,
                    metadata=checked if size <= PART_BYTES else None,  # type: ignore[arg-type]  # its dict is invariant
                )
            stored = self._size(sha256)
            if stored != size:
                raise StorageUnavailable(f"the object store keeps {stored} of a blob's {size} bytes")

        await self._call(upload)

    async def read(self, sha256: str, chunk_bytes: int) -> AsyncIterator[bytes]:
        """Yield a blob in pieces. The last comes only when all of them together have the digest."""
        response = await self._call(lambda: self._client.get_object(bucket_name=self._name, object_name=_key(sha256)))
        digest = hashlib.sha256()
        held = b""
        try:
            while chunk := await self._call(lambda: response.read(chunk_bytes)):
                if held:
                    yield held
                digest.update(chunk)
                held = chunk
            if digest.hexdigest() != sha256:
                raise StorageUnavailable("the object store gave other bytes than it was given")
            if held:
                yield held
        finally:
            response.close()
            response.release_conn()

    async def delete(self, sha256: str) -> None:
        """Remove a blob; one that is not there is fine."""
        await self._call(lambda: self._client.remove_object(bucket_name=self._name, object_name=_key(sha256)))

    async def listing(self) -> AsyncIterator[tuple[str, datetime]]:
        """Yield every blob's digest and when it was stored (UTC)."""
        found: Any = self._client.list_objects(bucket_name=self._name, prefix="blobs/", recursive=True)
        while (each := await self._call(lambda: next(found, None))) is not None:
            if each.object_name and each.last_modified:
                yield each.object_name.rpartition("/")[2], each.last_modified

    async def address(self, sha256: str, *, media_type: str, valid_s: int) -> str:
        """Return an address from which anyone may download a blob for a while."""
        shown = {"response-content-type": media_type}
        return await self._call(
            lambda: self._client.presigned_get_object(
                bucket_name=self._name,
                object_name=_key(sha256),
                expires=timedelta(seconds=valid_s),
                response_headers=shown,  # type: ignore[arg-type]  # its dict is invariant
            )
        )

    def close(self) -> None:
        """Let go of the threads; a call that hangs ends by its own time-out."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _size(self, sha256: str) -> int | None:
        try:
            return self._client.stat_object(bucket_name=self._name, object_name=_key(sha256)).size
        except S3Error as error:
            if error.code in _MISSING:
                return None
            raise

    async def _call(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except S3Error as error:
            # Neither its message nor its headers: those may hold the access key.
            raise StorageUnavailable(f"the object store refused: {error.code}") from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise StorageUnavailable(f"the object store does not answer: {type(error).__name__}") from error


def _key(sha256: str) -> str:
    return f"blobs/{sha256[:2]}/{sha256}"
