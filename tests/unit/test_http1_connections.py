"""Connections to a provider: kept for the next ask only where nothing of the last one can be left."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from servers.router.failures import MALFORMED, TIMEOUT, UNREACHABLE, ProviderFailure
from servers.router.http1.connection import MAX_HEAD_BYTES
from servers.router.http1.connections import Connections

REQUEST = b"POST /v1/x HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
SMUGGLED = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong"


class Provider:
    """Answers each request with these bytes, and keeps the connection."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.connection_count = 0
        self.port = 0
        self.tasks = []

    async def serve(self, reader, writer):
        self.connection_count += 1
        self.tasks.append(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readexactly(len(REQUEST)):
                writer.write(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
                await writer.drain()
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@asynccontextmanager
async def connected(*answers):
    """A provider and the connections to it."""
    provider = Provider(*answers)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.port = server.sockets[0].getsockname()[1]
    connections = Connections(f"http://127.0.0.1:{provider.port}/v1", connect_timeout_s=2.0, local_only=True)
    try:
        yield provider, connections
    finally:
        connections.close()
        server.close()
        await asyncio.wait_for(asyncio.gather(*provider.tasks), 10)


async def asked(connections, within_s=10.0):
    """Status and body of an answer."""
    until = asyncio.get_running_loop().time() + within_s
    connection = await connections.take(until)
    try:
        connection.ask(REQUEST)
        await connection.head(until)
        return connection.status, await connection.whole(100, until)
    finally:
        connections.give_back(connection)


async def test_a_connection_is_kept_for_the_next_ask():
    async with connected(OK) as (provider, connections):
        assert [await asked(connections) for _ in range(3)] == [(200, b"ok")] * 3
        assert provider.connection_count == 1
        assert connections.path == b"/v1"


@pytest.mark.parametrize("rest", [SMUGGLED, b"x", b"HTTP/1.1 2"])
async def test_what_comes_after_an_answer_is_never_the_next_one(rest):
    async with connected(OK + rest, OK) as (provider, connections):
        try:
            assert await asked(connections) == (200, b"ok")
        except ProviderFailure as failure:
            assert failure.kind == MALFORMED
        assert await asked(connections) == (200, b"ok")
        assert provider.connection_count == 2


async def test_what_comes_between_two_asks_is_never_an_answer():
    async with connected(OK) as (provider, connections):
        assert await asked(connections) == (200, b"ok")
        (_, kept), *_ = connections._idle
        kept.data_received(SMUGGLED)
        assert await asked(connections) == (200, b"ok")
        assert provider.connection_count == 2


async def test_interim_answers_are_passed_over():
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"
    async with connected(early + OK) as (provider, connections):
        assert [await asked(connections), await asked(connections)] == [(200, b"ok")] * 2
        assert provider.connection_count == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ],
)
async def test_a_connection_that_will_close_is_not_kept(answer):
    async with connected(answer) as (provider, connections):
        assert [await asked(connections), await asked(connections)] == [(200, b"ok")] * 2
        assert provider.connection_count == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\na b: c\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" + b"a" * 101,
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * MAX_HEAD_BYTES,
        b"HTTP/1.1 200 " + b"a" * MAX_HEAD_BYTES * 2,
        b"\x16\x03\x01\x02\x00",
    ],
)
async def test_bytes_that_are_no_answer_are_told_as_such_and_their_connection_goes(answer):
    async with connected(answer, OK) as (provider, connections):
        with pytest.raises(ProviderFailure) as caught:
            await asked(connections)
        assert caught.value.kind == MALFORMED
        assert await asked(connections) == (200, b"ok")
        assert provider.connection_count == 2


async def test_an_answer_that_is_not_waited_for_closes_its_connection():
    async with connected(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", OK) as (provider, connections):
        with pytest.raises(TimeoutError):
            await asked(connections, within_s=0.05)
        assert await asked(connections) == (200, b"ok")
        assert provider.connection_count == 2


async def test_nobody_at_the_address_is_unreachable():
    async with connected(OK) as (provider, _):
        port = provider.port
    connections = Connections(f"http://127.0.0.1:{port}/v1", connect_timeout_s=2.0, local_only=True)
    with pytest.raises(ProviderFailure) as caught:
        await asked(connections)
    assert caught.value.kind == UNREACHABLE


async def test_an_address_that_says_nothing_is_a_timeout_which_is_not_repeated(monkeypatch):
    connections = Connections("http://127.0.0.1:9/v1", connect_timeout_s=0.01, local_only=True)
    monkeypatch.setattr(connections, "_connect", asyncio.Event().wait)
    with pytest.raises(ProviderFailure, match=r"no connection within 0\.01 s") as caught:
        await asked(connections)
    assert caught.value.kind == TIMEOUT


async def test_a_slow_taker_holds_the_provider_up():
    size = 30_000_000
    async with connected(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b"a" * size) as (_, connections):
        until = asyncio.get_running_loop().time() + 30
        connection = await connections.take(until)
        connection.ask(REQUEST)
        await connection.head(until)
        for _ in range(200):
            await asyncio.sleep(0)
        assert connection._size < 1_000_000
        taken = 0
        while piece := await connection.piece(until):
            taken += len(piece)
        assert taken == size
        connections.give_back(connection)
