"""Bytes from both sides of the router, cut anywhere and broken anywhere: nothing escapes, nothing is taken twice."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from servers.router.http1.caller import Caller
from servers.router.http1.connection import Connection

REQUEST = b"POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nx-y: z\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-y: z\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self, protocol):
        super().__init__()
        self.protocol = protocol
        self.written = b""
        self.is_closed = False
        protocol.connection_made(self)

    def write(self, data):
        self.written += data

    def is_closing(self):
        return self.is_closed

    def close(self):
        if not self.is_closed:
            self.is_closed = True
            self.protocol.connection_lost(None)

    abort = close

    def can_write_eof(self):
        return True

    def write_eof(self):
        pass

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


@st.composite
def broken(draw, whole):
    """A text with some bytes replaced, dropped or put in, cut into pieces."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data) - 1))
        end = at + draw(st.integers(0, 2))
        data[at:end] = draw(st.binary(max_size=3) | st.sampled_from([b"\r\n", b"\n", b"\0", b":", b" ", b"\r\n\r\n"]))
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))
    pieces = [bytes(data[start:end]) for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return bytes(data), [piece for piece in pieces if piece]


async def heard(pieces):
    """What a handler sees of a caller's bytes, and what the caller is answered."""
    seen = []

    async def answer(exchange):
        seen.append((exchange.method, exchange.path, await exchange.read(1000)))
        exchange.answer(200, {}, b"ok")

    callers: set[Caller] = set()
    wire = Wire(Caller(answer, callers))
    for piece in pieces:
        if wire.is_closed:
            break
        wire.protocol.data_received(piece)
        for _ in range(4):
            await asyncio.sleep(0)
    wire.close()
    for _ in range(4):
        await asyncio.sleep(0)
    assert not callers
    return seen, wire.written


@settings(deadline=None)
@given(broken(REQUEST * 2))
def test_whatever_a_caller_sends_is_answered_or_refused_the_same_however_it_is_cut(sent):
    data, pieces = sent
    seen, written = asyncio.run(heard(pieces))
    assert written.count(b"HTTP/1.1 200 OK") == len(seen)
    assert written.count(b"HTTP/1.1 4") <= 1
    whole, _ = asyncio.run(heard([data]))
    assert seen == whole


async def told(pieces):
    """The body that is taken from a provider's bytes; None where they are no answer."""
    connection = Connection()
    wire = Wire(connection)
    connection.ask(b"")
    body = asyncio.ensure_future(_body(connection))
    await asyncio.sleep(0)
    for piece in pieces:
        if wire.is_closed:
            break
        connection.data_received(piece)
        await asyncio.sleep(0)
    can_follow = connection.can_be_asked
    wire.close()
    await asyncio.wait({body})
    return (None if body.exception() else body.result()), can_follow


async def _body(connection):
    until = asyncio.get_running_loop().time() + 10
    await connection.head(until)
    return await connection.whole(100, until)


@settings(deadline=None)
@given(broken(ANSWER))
def test_whatever_a_provider_sends_is_one_answer_or_none_the_same_however_it_is_cut(sent):
    data, pieces = sent
    body, can_follow = asyncio.run(told(pieces))
    whole, _ = asyncio.run(told([data]))
    assert body == whole
    assert body is not None or not can_follow


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=5))
def test_noise_reaches_nobody(pieces):
    noise = [b"\x16" + piece for piece in pieces]
    seen, _ = asyncio.run(heard(noise))
    assert seen == []
    body, can_follow = asyncio.run(told([b"\x16", *noise]))
    assert body is None
    assert not can_follow
