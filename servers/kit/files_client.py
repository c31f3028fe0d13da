"""Reads and writes whole files of the files server, for servers that work on bytes."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import grpc
from google.api.httpbody_pb2 import HttpBody

from loupe.files.v1.files_pb2 import DownloadFileRequest, UploadFileRequest
from loupe.files.v1.files_service_pb2_grpc import FilesServiceStub
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.kit.errors import DigestMismatch
from servers.kit.status import from_rpc_error

CHUNK_BYTES = 256 * 1024


class FilesClient:
    """The files server, on behalf of whoever makes the running call."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = FilesServiceStub(channel)

    async def read(self, ref: FileRef) -> bytes:
        """Return a file's content.

        Raises:
          NotFound: the caller has no such file.
          DigestMismatch: the reference names another content.
        """
        try:
            parts = [
                response.content.data
                async for response in self._stub.DownloadFile(DownloadFileRequest(file_id=ref.file_id))
            ]
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, "files") from error
        content = b"".join(parts)
        if ref.sha256 and hashlib.sha256(content).hexdigest() != ref.sha256:
            raise DigestMismatch(f"{ref.file_id} does not have the digest {ref.sha256[:12]}… that the reference names")
        return content

    async def write(self, content: bytes, name: str, *, request_id: str = "") -> FileRef:
        """Store a file for the caller and return its reference; the same request_id stores it once."""

        async def messages() -> AsyncIterator[UploadFileRequest]:
            first = HttpBody(data=content[:CHUNK_BYTES])
            yield UploadFileRequest(request_id=request_id, file_name=name, content=first)
            for start in range(CHUNK_BYTES, len(content), CHUNK_BYTES):
                yield UploadFileRequest(content=HttpBody(data=content[start : start + CHUNK_BYTES]))

        try:
            response = await self._stub.UploadFile(messages())
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, "files") from error
        return response.file
