"""Every store keeps bytes alike; the bucket's also while the object store is away."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from servers.files.stores import bucket as bucket_module
from servers.files.stores.base import BlobStore
from servers.files.stores.bucket import Bucket
from servers.files.stores.local import LocalStore
from servers.files.stores.s3 import S3Store
from servers.kit.errors import StorageUnavailable
from tests.object_store import ObjectStore

_BUCKETS = itertools.count()
CONTENT = b"one two three"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@asynccontextmanager
async def s3(server: ObjectStore, folder: Path, bucket: str, *, max_waiting: int = 2**20) -> AsyncIterator[S3Store]:
    local = LocalStore(folder)
    local.start()
    store = S3Store(Bucket(server.settings(bucket)), local, max_waiting_bytes=max_waiting, retry_s=0.05)
    async with store.running():
        yield store


@pytest.fixture(params=["local", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BlobStore]:
    if request.param == "local":
        local = LocalStore(tmp_path / "files")
        local.start()
        yield local
    else:
        server: ObjectStore = request.getfixturevalue("object_store")
        async with s3(server, tmp_path / "files", f"conformance-{next(_BUCKETS)}") as opened:
            yield opened


@pytest.fixture
def away(object_store: ObjectStore) -> Any:
    """An object store that is away; start() brings it back."""
    object_store.stop()
    yield object_store
    if not object_store.is_running:
        object_store.start()


async def put(store: BlobStore, content: bytes) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    async with store.create() as pending:
        for start in range(0, len(content), 2**20):
            await pending.append(content[start : start + 2**20])
        await pending.commit(sha256)
    return sha256


async def get(store: BlobStore, sha256: str) -> bytes:
    return b"".join([part async for part in store.read(sha256, 256 * 1024)])


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def test_bytes_come_back_as_they_went_in_and_only_when_committed(store):
    async with store.create() as pending:
        for part in (b"one ", b"", b"two three"):
            await pending.append(part)
        assert await pending.head(5) == b"one t"
        with pytest.raises(StorageUnavailable):
            await get(store, DIGEST)
        await pending.commit(DIGEST)
    assert [part async for part in store.read(DIGEST, 4)] == [b"one ", b"two ", b"thre", b"e"]


async def test_what_is_not_committed_leaves_nothing(store, tmp_path):
    async with store.create() as pending:
        await pending.append(CONTENT)
    assert files(tmp_path) == []
    assert [found async for found in store.listing()] == []


async def test_the_same_content_twice_is_one_blob_and_removing_it_twice_is_fine(store, tmp_path):
    before = datetime.now(UTC) - timedelta(seconds=2)
    await asyncio.gather(put(store, CONTENT), put(store, CONTENT))
    assert await put(store, CONTENT) == DIGEST
    listed = [found async for found in store.listing()]
    assert [sha256 for sha256, _ in listed] == [DIGEST]
    assert before < listed[0][1] < datetime.now(UTC) + timedelta(seconds=2)
    await store.delete(DIGEST)
    await store.delete(DIGEST)
    with pytest.raises(StorageUnavailable):
        await get(store, DIGEST)
    assert files(tmp_path) == []


async def test_large_files_go_up_in_parts_and_come_back_whole(object_store, tmp_path, monkeypatch):
    monkeypatch.setattr(bucket_module, "PART_BYTES", 5 * 2**20)
    content = os.urandom(12 * 2**20 + 7)
    async with s3(object_store, tmp_path, "parts") as store:
        sha256 = await put(store, content)
        assert files(tmp_path) == []
        assert await get(store, sha256) == content


async def test_a_presigned_address_gives_the_bytes_with_their_type(object_store, tmp_path):
    async with s3(object_store, tmp_path, "presigned") as store, httpx.AsyncClient() as client:
        address = await store.address(await put(store, CONTENT), media_type="text/plain", valid_s=60)
        answer = await client.get(address)
    assert (answer.content, answer.headers["content-type"]) == (CONTENT, "text/plain")
    assert "of-the-tests" not in address


async def test_other_bytes_under_a_digest_are_told_before_the_last_of_them_is_given(object_store, tmp_path):
    async with s3(object_store, tmp_path, "damaged") as store:
        await put(store, CONTENT)
        object_store.overwrite("damaged", f"blobs/{DIGEST[:2]}/{DIGEST}", b"one two thief")
        given = []
        with pytest.raises(StorageUnavailable, match="gave other bytes"):
            async for part in store.read(DIGEST, 4):
                given.append(part)
    assert given == [b"one ", b"two ", b"thie"]


async def test_bytes_wait_here_while_the_store_is_away_and_go_up_when_it_is_back(away, tmp_path, caplog):
    async with s3(away, tmp_path, "healing") as store:
        sha256 = await put(store, CONTENT)
        assert files(tmp_path) == [sha256]
        assert await get(store, sha256) == CONTENT
        assert store.waiting_bytes == 13
        away.start()
        await store.settled()
        assert files(tmp_path) == []
        assert await get(store, sha256) == CONTENT
    told = [(line.message, vars(line)["condition"]) for line in caplog.records if "condition" in vars(line)]
    assert told == [("condition began", "object_store_away"), ("condition ended", "object_store_away")]
    assert "of-the-tests" not in caplog.text


async def test_what_waits_outlives_the_process(object_store, tmp_path):
    async with s3(object_store, tmp_path, "restart") as store:
        elsewhere = await put(store, b"in the bucket")
    object_store.stop()
    try:
        async with s3(object_store, tmp_path, "restart") as store:
            sha256 = await put(store, CONTENT)
            with pytest.raises(StorageUnavailable, match="the object store does not answer"):
                await get(store, elsewhere)
        async with s3(object_store, tmp_path, "restart") as store:
            assert await get(store, sha256) == CONTENT
    finally:
        object_store.start()
    async with s3(object_store, tmp_path, "restart") as store:
        await store.settled()
        assert await get(store, sha256) == CONTENT
        assert await get(store, elsewhere) == b"in the bucket"
    assert files(tmp_path) == []


async def test_the_disk_that_waits_is_bounded(away, tmp_path):
    async with s3(away, tmp_path, "bounded", max_waiting=20) as store:
        await put(store, CONTENT)
        with pytest.raises(StorageUnavailable, match="wait for it, which is the most"):
            await put(store, CONTENT[::-1])
        assert files(tmp_path) == [DIGEST]
        await store.delete(DIGEST)
        assert files(tmp_path) == []
        await put(store, CONTENT[::-1])


async def test_a_folder_of_before_moves_to_the_bucket_by_itself(object_store, tmp_path):
    local = LocalStore(tmp_path)
    local.start()
    await put(local, CONTENT)
    async with s3(object_store, tmp_path, "moving") as store:
        await store.settled()
        assert await get(store, DIGEST) == CONTENT
    assert files(tmp_path) == []


async def test_a_store_whose_certificate_nobody_vouches_for_is_not_spoken_to(object_store, tmp_path):
    secure = replace(object_store.settings("secure"), endpoint=object_store.endpoint.replace("http:", "https:"))
    with pytest.raises(StorageUnavailable, match="the object store does not answer"):
        await Bucket(secure).ensure()
