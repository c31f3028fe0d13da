"""loupe.files.v1 over the catalog, the store and the archive."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from google.api.httpbody_pb2 import HttpBody

from loupe.files.v1.files_pb2 import (
    DeleteFileRequest,
    DeleteFileResponse,
    DownloadFileRequest,
    DownloadFileResponse,
    ErasedFiles,
    ErasedTotal,
    EraseOwnerRequest,
    EraseOwnerResponse,
    GetDownloadAddressRequest,
    GetDownloadAddressResponse,
    GetFileRequest,
    GetFileResponse,
    ListFilesRequest,
    ListFilesResponse,
    ListOldUploadsRequest,
    ListOldUploadsResponse,
    UploadFileRequest,
    UploadFileResponse,
)
from loupe.files.v1.files_service_pb2_grpc import FilesServiceServicer
from servers.files.archive import Archive
from servers.files.catalog import Catalog
from servers.files.stores.base import BlobStore
from servers.kit.errors import BrokenStream, WrongState
from servers.kit.files_client import CHUNK_BYTES
from servers.kit.identity import caller, request_id

DEFAULT_PAGE_SIZE = 50
ADDRESS_S = 600
PROOFS_PER_MESSAGE = 200
_JOB_ID = re.compile(r"job_[0-9a-z]{26}")


class FilesServicer(FilesServiceServicer):
    """Answers for the files of the calling owner."""

    def __init__(self, catalog: Catalog, store: BlobStore, archive: Archive) -> None:
        self._catalog = catalog
        self._store = store
        self._archive = archive

    async def UploadFile(self, request_iterator: AsyncIterator[UploadFileRequest], context: Any) -> UploadFileResponse:
        """Store one file."""
        first = await anext(request_iterator, None)
        if first is None:
            raise BrokenStream("the stream ended before its first message")

        async def chunks() -> AsyncIterator[bytes]:
            yield first.content.data
            async for message in request_iterator:
                yield message.content.data

        stored = await self._archive.take(
            chunks(),
            owner=caller().subject,
            request_id=first.request_id,
            file_name=first.file_name,
            is_upload=not caller().service,
            job_id=_job_id(),
        )
        return UploadFileResponse(file=stored.ref)

    async def DownloadFile(self, request: DownloadFileRequest, context: Any) -> AsyncIterator[DownloadFileResponse]:
        """Stream a file's content."""
        stored = await self._catalog.get(caller().subject, request.file_id)
        async for chunk in self._store.read(stored.ref.sha256, CHUNK_BYTES):
            yield DownloadFileResponse(content=HttpBody(content_type=stored.ref.media_type, data=chunk))

    async def GetDownloadAddress(self, request: GetDownloadAddressRequest, context: Any) -> GetDownloadAddressResponse:
        """Return where the object store itself gives a file out."""
        stored = await self._catalog.get(caller().subject, request.file_id)
        response = GetDownloadAddressResponse()
        response.expire_time.FromDatetime(datetime.now(UTC) + timedelta(seconds=ADDRESS_S))
        response.address = await self._store.address(
            stored.ref.sha256, media_type=stored.ref.media_type, valid_s=ADDRESS_S
        )
        if not response.address:
            raise WrongState("the bytes are on this server's disk: use DownloadFile")
        return response

    async def EraseOwner(self, request: EraseOwnerRequest, context: Any) -> AsyncIterator[EraseOwnerResponse]:
        """Remove an owner's files and stream the proofs."""
        await self._archive.erase(request.owner)
        total = ErasedTotal()
        last = ""
        while proofs := await self._catalog.erased(request.owner, last, PROOFS_PER_MESSAGE):
            yield EraseOwnerResponse(files=ErasedFiles(files=proofs))
            total.file_count += len(proofs)
            total.kept_count += sum(proof.is_kept for proof in proofs)
            last = proofs[-1].file_id
        yield EraseOwnerResponse(total=total)

    async def GetFile(self, request: GetFileRequest, context: Any) -> GetFileResponse:
        """Return what is known of a file."""
        return GetFileResponse(file=await self._catalog.get(caller().subject, request.file_id))

    async def ListFiles(self, request: ListFilesRequest, context: Any) -> ListFilesResponse:
        """List the caller's files, newest first."""
        size = request.page_size or DEFAULT_PAGE_SIZE
        files, token = await self._catalog.page(caller().subject, size, request.page_token, job_id=request.job_id)
        return ListFilesResponse(files=files, next_page_token=token)

    async def ListOldUploads(self, request: ListOldUploadsRequest, context: Any) -> ListOldUploadsResponse:
        """List the oldest uploads of all owners."""
        size = request.page_size or DEFAULT_PAGE_SIZE
        before = request.uploaded_before.ToDatetime()
        uploads, token = await self._catalog.old_uploads(before, size, request.page_token)
        return ListOldUploadsResponse(uploads=uploads, next_page_token=token)

    async def DeleteFile(self, request: DeleteFileRequest, context: Any) -> DeleteFileResponse:
        """Forget a file, and its bytes when no other file has them."""
        before = request.uploaded_before.ToDatetime() if request.HasField("uploaded_before") else None
        await self._archive.forget(caller().subject, request.file_id, before)
        return DeleteFileResponse()


def _job_id() -> str | None:
    """Return the job in whose course a server of the mesh calls: its id is the request id of all its calls."""
    return request_id() if caller().service and _JOB_ID.fullmatch(request_id()) else None
