"""The listener for callers, told every kind of bytes."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from servers.kit.errors import TooLarge
from servers.router.http1.caller import MAX_HEAD_BYTES
from servers.router.http1.listening import listening

MAX_BODY_BYTES = 1000
GET = b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST /a?b=1 HTTP/1.1\r\nHost: x\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n"

# None of these may reach a handler as a whole request, whatever a proxy in front makes of them.
NO_REQUEST = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "zeros": b"\0" * 40,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /a\r\n\r\n",
    "HTTP/1.2": b"GET /a HTTP/1.2\r\n\r\n",
    "an unknown method": b"STEAL /a HTTP/1.1\r\nhost: x\r\n\r\n",
    "two lengths": b"POST /a HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    "two equal lengths": b"POST /a HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
    "a length and chunks": b"POST /a HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": b"POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "chunks that are not last": b"POST /a HTTP/1.1\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "a negative length": b"POST /a HTTP/1.1\r\ncontent-length: -5\r\n\r\nhello",
    "a length with a sign": b"POST /a HTTP/1.1\r\ncontent-length: +5\r\n\r\nhello",
    "a length beyond all": b"POST /a HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\nhello",
    "a chunk of no size": b"POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "a chunk longer than told": b"POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
    "a header with a zero": b"GET /a HTTP/1.1\r\nx: a\0b\r\n\r\n",
    "a space before the colon": b"GET /a HTTP/1.1\r\nhost : x\r\n\r\n",
    "a header of no name": b"GET /a HTTP/1.1\r\n: x\r\n\r\n",
    "a bare return within a header": b"GET /a HTTP/1.1\r\nx: a\rb\r\n\r\n",
    "a target with a space": b"GET /a b HTTP/1.1\r\nhost: x\r\n\r\n",
}


class Echo:
    """Answers with what it was sent, or as a path says."""

    def __init__(self):
        self.seen = []
        self.began = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def answer(self, exchange):
        try:
            if exchange.path == "/wait":
                self.began.set()
                await self.goes_on.wait()
            body = await exchange.read(MAX_BODY_BYTES)
        except TooLarge as error:
            exchange.answer(429, {}, str(error).encode())
            return
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        self.seen.append((exchange.method, exchange.path, body))
        if exchange.path == "/pieces":
            exchange.begin({"content-type": "text/plain"})
            for piece in (b"one", b"two"):
                await exchange.write(piece)
            exchange.end()
        elif exchange.path == "/flood":
            exchange.begin({})
            for number in range(10_000):
                await exchange.write(b"%09d" % number * 100)
                self.seen[:] = [number]
            exchange.end()
        elif exchange.path == "/broken":
            raise ZeroDivisionError
        else:
            exchange.answer(200, {"x-mark": "m"}, body)


@asynccontextmanager
async def echoing(home):
    """An echo and a way to connect to it."""
    echo = Echo()
    writers = []

    async def connect():
        reader, writer = await asyncio.open_unix_connection(str(home / "s"))
        writers.append(writer)
        return reader, writer

    async with listening(echo.answer, f"unix:{home}/s"):
        yield echo, connect
    for writer in writers:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


async def said(reader):
    """Everything until the connection ends."""
    return await asyncio.wait_for(reader.read(), 10)


async def one_answer(reader):
    """Status line and body of the next answer of a stated length."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head.partition(b"\r\n")[0], await reader.readexactly(size)


@pytest.mark.parametrize("request_", [GET, POST, CHUNKED])
async def test_a_request_is_the_same_however_its_bytes_are_cut(home, request_):
    body = b"" if request_ is GET else b"hello"
    async with echoing(home) as (_, connect):
        for end in range(1, len(request_)):
            reader, writer = await connect()
            writer.write(request_[:end])
            await writer.drain()
            writer.write(request_[end:])
            assert await one_answer(reader) == (b"HTTP/1.1 200 OK", body)


async def test_requests_that_come_at_once_are_answered_in_their_order(home):
    async with echoing(home) as (echo, connect):
        reader, writer = await connect()
        writer.write(b"".join(POST.replace(b"hello", b"%05d" % number) for number in range(50)))
        assert [(await one_answer(reader))[1] for _ in range(50)] == [b"%05d" % number for number in range(50)]
        assert {path for _, path, _ in echo.seen} == {"/a"}


@pytest.mark.parametrize("hostile", NO_REQUEST)
async def test_what_is_no_request_is_refused_and_nothing_after_it_is_heard(home, hostile):
    async with echoing(home) as (echo, connect):
        reader, writer = await connect()
        writer.write(NO_REQUEST[hostile] + GET)
        answer = await said(reader)
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert answer.count(b"date: ") == 1
        assert b"connection: close\r\n" in answer
        assert echo.seen == []


async def test_a_whole_request_before_a_broken_one_is_answered_first(home):
    async with echoing(home) as (echo, connect):
        reader, writer = await connect()
        writer.write(POST + b"nonsense\r\n\r\n")
        assert await one_answer(reader) == (b"HTTP/1.1 200 OK", b"hello")
        assert (await said(reader)).startswith(b"HTTP/1.1 400 ")
        assert len(echo.seen) == 1


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * MAX_HEAD_BYTES + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * MAX_HEAD_BYTES,
        b"GET / HTTP/1.1\r\nx: " + b"a" * 5 * MAX_HEAD_BYTES,
        b"GET / HTTP/1.1\r\n" + b"a" * 5 * MAX_HEAD_BYTES,
    ],
)
async def test_a_head_without_end_is_refused(home, head):
    async with echoing(home) as (echo, connect):
        reader, writer = await connect()
        writer.write(head)
        assert (await said(reader)).startswith(b"HTTP/1.1 431 ")
        assert echo.seen == []


@pytest.mark.parametrize(
    "start",
    [b"content-length: 5000000\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n4c4b40\r\n"],
    ids=["told", "chunks"],
)
async def test_a_body_over_the_limit_is_refused_and_its_caller_hears_why(home, start):
    async with echoing(home) as (_, connect):
        reader, writer = await connect()
        writer.write(b"POST /a HTTP/1.1\r\n" + start)
        writer.write(b"a" * 5_000_000)
        head, _ = await asyncio.gather(one_answer(reader), writer.drain())
        assert head[0] == b"HTTP/1.1 429 Too Many Requests"
        assert await said(reader) == b""


async def test_a_caller_that_leaves_cancels_its_request(home):
    async with echoing(home) as (echo, connect):
        _, writer = await connect()
        writer.write(b"GET /wait HTTP/1.1\r\n\r\n")
        await asyncio.wait_for(echo.began.wait(), 10)
        writer.close()
        await asyncio.wait_for(echo.cancelled.wait(), 10)


async def test_a_body_that_breaks_off_reaches_nobody_as_whole(home):
    async with echoing(home) as (echo, connect):
        _, writer = await connect()
        writer.write(POST[:-2])
        writer.close()
        await asyncio.wait_for(echo.cancelled.wait(), 10)
        reader, writer = await connect()
        writer.write(b"POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n")
        await writer.drain()
        echo.cancelled.clear()
        writer.write(b"zz\r\n")
        assert (await said(reader)).startswith(b"HTTP/1.1 400 ")
        assert echo.seen == []


async def test_an_answer_in_pieces_comes_in_chunks_and_for_http_1_0_until_the_end(home):
    async with echoing(home) as (_, connect):
        reader, writer = await connect()
        writer.write(b"GET /pieces HTTP/1.1\r\n\r\n" + GET)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"transfer-encoding: chunked\r\n" in head
        assert await reader.readuntil(b"0\r\n\r\n") == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
        assert (await one_answer(reader))[0] == b"HTTP/1.1 200 OK"
        reader, writer = await connect()
        writer.write(b"GET /pieces HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
        head, _, body = (await said(reader)).partition(b"\r\n\r\n")
        assert body == b"onetwo"
        assert b"connection: close" in head


async def test_a_caller_that_does_not_listen_holds_its_writer_up(home):
    async with echoing(home) as (echo, connect):
        reader, writer = await connect()
        writer.write(b"GET /flood HTTP/1.1\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(10):
            before = -1
            while before != echo.seen[0]:
                before = echo.seen[0]
                for _ in range(50):
                    await asyncio.sleep(0)
        assert echo.seen[0] < 5_000
        assert (await said_until(reader, b"0\r\n\r\n")).count(b"\r\n384\r\n") == 9_999


async def said_until(reader, end):
    data = b""
    while not data.endswith(end):
        data += await asyncio.wait_for(reader.read(2**20), 10)
    return data


async def test_smaller_promises_of_http(home):
    async with echoing(home) as (_, connect):
        reader, writer = await connect()
        writer.write(b"HEAD /a HTTP/1.1\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\ndate: ")
        writer.write(b"POST /a HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hi")
        assert await one_answer(reader) == (b"HTTP/1.1 200 OK", b"hi")
        writer.write(b"GET http://elsewhere/a?b HTTP/1.1\r\n\r\n")
        assert await one_answer(reader) == (b"HTTP/1.1 200 OK", b"")
        # Another protocol is offered and not taken up.
        writer.write(b"GET /a HTTP/1.1\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\r\n")
        assert (await one_answer(reader))[0] == b"HTTP/1.1 200 OK"
        reader, writer = await connect()
        writer.write(b"GET /a HTTP/1.1\r\nconnection: close\r\n\r\n" + GET)
        assert (await said(reader)).count(b"HTTP/1.1 200") == 1


async def test_many_callers_at_the_same_moment_are_all_answered(home):
    async with echoing(home) as (_, connect):
        # Nobody is taken in before all have knocked: the loop is ours until then.
        knocking = [socket.socket(socket.AF_UNIX) for _ in range(400)]
        for one in knocking:
            one.setblocking(False)
            one.connect(str(home / "s"))
        for one in knocking:
            one.close()
        reader, writer = await connect()
        writer.write(GET)
        assert (await one_answer(reader))[0] == b"HTTP/1.1 200 OK"


async def test_a_defect_closes_its_connection_and_no_other(home):
    async with echoing(home) as (_, connect):
        reader, writer = await connect()
        writer.write(b"GET /broken HTTP/1.1\r\n\r\n")
        assert await said(reader) == b""
        reader, writer = await connect()
        writer.write(GET)
        assert (await one_answer(reader))[0] == b"HTTP/1.1 200 OK"


async def test_the_end_waits_for_who_is_being_answered(home):
    async with echoing(home) as (echo, connect):
        reader, writer = await connect()
        writer.write(b"GET /wait HTTP/1.1\r\n\r\n")
        await asyncio.wait_for(echo.began.wait(), 10)
        asyncio.get_running_loop().call_soon(echo.goes_on.set)
    assert await one_answer(reader) == (b"HTTP/1.1 200 OK", b"")


async def test_the_end_waits_for_the_rest_of_a_body(home):
    async with echoing(home) as (echo, connect):
        reader, writer = await connect()
        writer.write(POST[:-2].replace(b"/a", b"/wait"))
        await asyncio.wait_for(echo.began.wait(), 10)
        echo.goes_on.set()
        asyncio.get_running_loop().call_soon(writer.write, POST[-2:])
    assert await one_answer(reader) == (b"HTTP/1.1 200 OK", b"hello")
