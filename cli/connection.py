"""The gateway as a command uses it: with the local key, and with failures in words."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from google.api.httpbody_pb2 import HttpBody
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from cli.errors import CommandFailed
from loupe.files.v1.files_pb2 import DeleteFileRequest, DownloadFileRequest, UploadFileRequest
from loupe.files.v1.files_service_pb2_grpc import FilesServiceStub
from loupe.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from loupe.type.v1.file_ref_pb2 import FileRef
from loupe.vision.v1.vision_service_pb2_grpc import VisionServiceStub
from servers.kit.ids import new_id

if TYPE_CHECKING:
    from loupe.files.v1.files_service_pb2_grpc import FilesServiceAsyncStub
    from loupe.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceAsyncStub
    from loupe.vision.v1.vision_service_pb2_grpc import VisionServiceAsyncStub

CHUNK_BYTES = 256 * 1024
MAX_ATTEMPTS = 6
FIRST_PAUSE_S = 0.25
"""Doubled with each attempt, where the server names no time."""
_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)
_PASSING = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED})

T = TypeVar("T")


@dataclass(frozen=True)
class Connection:
    """The servers of a mesh, through its gateway."""

    address: str
    metadata: tuple[tuple[str, str], ...]
    """Goes with every call."""

    channel: grpc.aio.Channel
    """For servers that few commands ask."""

    file_service: FilesServiceAsyncStub
    vision: VisionServiceAsyncStub
    jobs: OrchestratorServiceAsyncStub

    async def upload(self, path: Path) -> FileRef:
        """Store a file from this disk; a repetition after a lost connection stores it once.

        Raises:
          CommandFailed: the file can't be read.
          AioRpcError: the server refused it.
        """
        request_id = new_id("upload")

        async def messages() -> AsyncIterator[UploadFileRequest]:
            file = await asyncio.to_thread(path.open, "rb")
            try:
                first = await asyncio.to_thread(file.read, CHUNK_BYTES)
                name = path.name.encode(errors="replace").decode()[:255]
                yield UploadFileRequest(request_id=request_id, file_name=name, content=HttpBody(data=first))
                while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    yield UploadFileRequest(content=HttpBody(data=chunk))
            finally:
                file.close()

        async def attempt() -> FileRef:
            return (await self.file_service.UploadFile(messages(), metadata=self.metadata)).file

        return await again(attempt)

    async def download(self, ref: FileRef) -> bytes:
        """Return a stored file's bytes. Raises CommandFailed where they are not what the reference says."""

        async def attempt() -> bytes:
            call = self.file_service.DownloadFile(DownloadFileRequest(file_id=ref.file_id), metadata=self.metadata)
            return b"".join([response.content.data async for response in call])

        content = await again(attempt)
        if hashlib.sha256(content).hexdigest() != ref.sha256:
            raise CommandFailed(f"{ref.file_id} arrived with another digest than the bundle names: fetch it again")
        return content

    async def forget(self, ref: FileRef) -> None:
        """Delete a stored file of ours. That it can't be deleted now is no failure of what it was stored for."""
        with suppress(grpc.aio.AioRpcError):
            await self.file_service.DeleteFile(DeleteFileRequest(file_id=ref.file_id), metadata=self.metadata)


@asynccontextmanager
async def connect(address: str, key: str) -> AsyncIterator[Connection]:
    """Yield the gateway at HOST:PORT, called with a key; closed at the end."""
    async with grpc.aio.insecure_channel(address, options=_OPTIONS) as channel:
        yield Connection(
            address,
            (("authorization", f"Bearer {key}"),),
            channel,
            file_service=FilesServiceStub(channel),
            vision=VisionServiceStub(channel),
            jobs=OrchestratorServiceStub(channel),
        )


async def again(attempt: Callable[[], Awaitable[T]]) -> T:
    """Return what an attempt returns, and try it again while the reason it failed may pass. For safe calls only."""
    for number in range(MAX_ATTEMPTS - 1):
        try:
            return await attempt()
        except grpc.aio.AioRpcError as error:
            if not is_passing(error):
                raise
            await asyncio.sleep(pause_s(error, number))
    return await attempt()


def is_passing(error: grpc.aio.AioRpcError) -> bool:
    """Return whether the same call may succeed a little later."""
    # A file that is too large stays so; a server that is full does not, and says when to come again.
    return error.code() in _PASSING and reason_of(error) not in ("TOO_LARGE", "NOT_READY")


def pause_s(error: grpc.aio.AioRpcError, number: int) -> float:
    """Return how long to wait before attempt `number` (from 0) is repeated."""
    retry = _detail(error, error_details_pb2.RetryInfo())
    named: float = retry.retry_delay.ToMilliseconds() / 1000 if retry is not None else 0.0
    return float(min(max(named, FIRST_PAUSE_S * 2**number), 5.0))


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Return the reason's name, such as "TOO_LARGE"; empty where the error is none of ours."""
    info = _detail(error, error_details_pb2.ErrorInfo())
    return str(info.reason) if info is not None else ""


def failure(error: grpc.aio.AioRpcError, about: str = "") -> CommandFailed:
    """Return a failed call as one line for the user."""
    told = " ".join((error.details() or error.code().name.lower().replace("_", " ")).split())
    if error.code() is grpc.StatusCode.UNAVAILABLE and "connect" in told:
        told = "the mesh does not answer: `loupe status` says how it is"
    elif error.code() is grpc.StatusCode.UNAUTHENTICATED:
        told = f"{told}: is the mesh running with another LOUPE_HOME?"
    return CommandFailed(f"{about}: {told}" if about else told)


def _detail(error: grpc.aio.AioRpcError, target: Any) -> Any:
    """Return the error's detail of the target's type, None where it has none."""
    status = rpc_status.from_call(error)
    for detail in status.details if status is not None else ():
        if detail.Unpack(target):
            return target
    return None
