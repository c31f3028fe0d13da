"""What the kit does around a call, whatever a servicer does inside, over a real connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody

from loupe.files.v1 import files_pb2
from loupe.files.v1.files_service_pb2_grpc import (
    FilesServiceServicer,
    FilesServiceStub,
    add_FilesServiceServicer_to_server,
)
from loupe.type.v1.access_pb2 import Role
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.kit import identity
from servers.kit.channels import ServiceTokens, open_channel
from servers.kit.config import ServerSettings
from servers.kit.errors import DeadlineExceeded, InternalError, LoupeError, NotFound, Overloaded, TooLarge
from servers.kit.identity import Caller
from servers.kit.serve import _grpc_server
from servers.kit.status import from_rpc_error
from tests.running import channel_with_key, make_keys

FILE_ID = "file_" + "0" * 26
MIB = 1024 * 1024


class Told(FilesServiceServicer):
    """Does as a test tells it."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.size_bytes = 0
        self.hold: asyncio.Event | None = None
        self.asked = asyncio.Event()
        self.left = asyncio.Event()

    async def GetFile(self, request: Any, context: Any) -> files_pb2.GetFileResponse:
        if self.error is not None:
            raise self.error
        if self.hold is not None:
            self.asked.set()
            await self.hold.wait()
        stored = files_pb2.StoredFile(file_name="x" * self.size_bytes)
        return files_pb2.GetFileResponse(file=stored)

    async def DownloadFile(self, request: Any, context: Any) -> AsyncIterator[files_pb2.DownloadFileResponse]:
        try:
            yield files_pb2.DownloadFileResponse(content=HttpBody(data=b"first"))
            if self.error is not None:
                raise self.error
            if self.hold is not None:
                await self.hold.wait()
            yield files_pb2.DownloadFileResponse(content=HttpBody(data=bytes(self.size_bytes)))
        finally:
            self.left.set()

    async def UploadFile(self, request_iterator: Any, context: Any) -> files_pb2.UploadFileResponse:
        size = sum([len(message.content.data) async for message in request_iterator])
        return files_pb2.UploadFileResponse(file=FileRef(file_id=FILE_ID, size_bytes=size))

    async def ListFiles(self, request: Any, context: Any) -> files_pb2.ListFilesResponse:
        raise AssertionError("no test here calls this")

    async def ListOldUploads(self, request: Any, context: Any) -> files_pb2.ListOldUploadsResponse:
        raise AssertionError("no test here calls this")

    async def DeleteFile(self, request: Any, context: Any) -> files_pb2.DeleteFileResponse:
        raise AssertionError("no test here calls this")

    async def GetDownloadAddress(self, request: Any, context: Any) -> files_pb2.GetDownloadAddressResponse:
        raise AssertionError("no test here calls this")

    def EraseOwner(self, request: Any, context: Any) -> AsyncIterator[files_pb2.EraseOwnerResponse]:
        raise AssertionError("no test here calls this")


@pytest.fixture
async def served(home: Path) -> AsyncIterator[tuple[Told, Any, str]]:
    key = make_keys(home)
    settings = ServerSettings(
        LOUPE_HOME=home,
        max_concurrent_calls=1,
        max_concurrent_streams=1,
        default_deadline_s=20,  # type: ignore[call-arg]  # by its alias
    )
    server, told = _grpc_server("files", settings, "127.0.0.1:0"), Told()
    add_FilesServiceServicer_to_server(told, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    address = f"127.0.0.1:{port}"
    async with channel_with_key(address, key) as channel:
        yield told, FilesServiceStub(channel), address
    await server.stop(None)


async def outcome(call: Any) -> LoupeError | None:
    """What a call raised, as the kit's clients see it."""
    try:
        async with asyncio.timeout(30):
            if hasattr(call, "__aiter__"):
                async for _ in call:
                    pass
            else:
                await call
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error)
    return None


def get(stub: Any, **options: Any) -> Any:
    return stub.GetFile(files_pb2.GetFileRequest(file_id=FILE_ID), **options)


def download(stub: Any, **options: Any) -> Any:
    return stub.DownloadFile(files_pb2.DownloadFileRequest(file_id=FILE_ID), **options)


@pytest.mark.parametrize("ask", [get, download])
async def test_an_error_of_ours_arrives_as_itself_and_a_strangers_text_does_not(served, ask):
    told, stub, _ = served
    told.error = NotFound("there is no such thing")
    seen = await outcome(ask(stub))
    assert (type(seen), str(seen)) == (NotFound, "there is no such thing")
    told.error = RuntimeError("the password is hunter2")
    seen = await outcome(ask(stub, metadata=[("x-request-id", "find-me")]))
    assert (type(seen), str(seen)) == (InternalError, "internal error (request find-me)")


@pytest.mark.parametrize("ask", [get, download])
async def test_an_answer_too_large_for_a_message_is_named(served, ask):
    told, stub, _ = served
    told.size_bytes = 4 * MIB
    seen = await outcome(ask(stub))
    assert type(seen) is TooLarge
    assert str(seen).startswith("the answer has 41943")


async def test_a_request_too_large_for_a_message_is_named_too(served):
    _, stub, _ = served

    async def messages() -> AsyncIterator[files_pb2.UploadFileRequest]:
        yield files_pb2.UploadFileRequest(content=HttpBody(data=bytes(4 * MIB)))

    assert type(await outcome(stub.UploadFile(messages()))) is TooLarge


@pytest.mark.parametrize("ask", [get, download])
async def test_a_call_out_of_time_is_told_so_before_grpc_cuts_it_off(served, ask):
    told, stub, _ = served
    told.hold = asyncio.Event()
    seen = await outcome(ask(stub, timeout=0.5))
    assert type(seen) is DeadlineExceeded
    assert str(seen).startswith("the call did not end within its 0.")


async def test_a_caller_that_leaves_frees_its_place_and_ends_what_it_started(served):
    told, stub, _ = served
    told.hold = asyncio.Event()
    for _ in range(3):
        told.left.clear()
        call = download(stub)
        await call.read()
        assert type(await outcome(download(stub))) is Overloaded
        call.cancel()
        async with asyncio.timeout(20):
            await told.left.wait()


async def _answer(call: Any) -> Any:
    return await call


async def test_streams_do_not_take_the_places_of_calls(served):
    told, stub, _ = served
    told.hold = asyncio.Event()
    stream = download(stub)
    await stream.read()
    waiting = asyncio.create_task(_answer(get(stub)))
    await told.asked.wait()
    seen = await outcome(get(stub))
    assert type(seen) is Overloaded
    assert str(seen) == "1 calls are in work, at most 1; try again in a second"
    told.hold.set()
    assert (await waiting).HasField("file")
    stream.cancel()


@asynccontextmanager
async def mesh_stub(home: Path, address: str) -> AsyncIterator[Any]:
    """The files server as another server of the mesh calls it."""
    keys = ServerSettings(LOUPE_HOME=home).keys  # type: ignore[call-arg]  # by its alias
    async with open_channel(address, "files", ServiceTokens("vision", keys)) as channel:
        yield FilesServiceStub(channel)


@pytest.mark.parametrize("ask", [get, download])
async def test_a_server_with_no_time_left_asks_nobody(served, home, ask):
    _, _, address = served
    async with mesh_stub(home, address) as stub:
        identity.act_for(Caller("local", Role.ROLE_ANALYST), deadline=asyncio.get_running_loop().time() - 1)
        with pytest.raises(DeadlineExceeded, match="no time is left to ask files"):
            if ask is get:
                await get(stub)
            else:
                async for _ in download(stub):
                    pass


async def test_a_servers_call_ends_with_its_own_callers_deadline(served, home):
    told, _, address = served
    told.hold = asyncio.Event()
    async with mesh_stub(home, address) as stub:
        identity.act_for(Caller("local", Role.ROLE_ANALYST), deadline=asyncio.get_running_loop().time() + 0.5)
        assert type(await outcome(get(stub))) is DeadlineExceeded
