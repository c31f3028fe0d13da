"""A model server of the tests' own: real HTTP on loopback, each answer written byte by byte as the test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Answer = Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]
"""Writes an answer; the connection is closed when it returns, unless it says keep_alive."""

CHUNKED_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
)


@dataclass
class Asked:
    """One request, as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    """JSON, or the bytes of anything else."""


@dataclass
class FakeModels:
    """A server that answers with `script` in turn, and the last of it for ever."""

    port: int = 0
    script: list[Answer] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once something was asked."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a caller hung up on an answer that was not over."""

    @property
    def base_url(self) -> str:
        """Of the OpenAI-compatible API."""
        return f"http://127.0.0.1:{self.port}/v1"

    def says(self, *answers: Answer) -> None:
        """Answer with these from here on, and forget what was asked."""
        self.script = list(answers)
        self.asked.clear()
        self.came.clear()
        self.gone.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while (request := await _read(reader)) is not None:
                self.asked.append(request)
                self.came.set()
                answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                writing = asyncio.ensure_future(answer(request, writer))
                hanging_up = asyncio.ensure_future(reader.read(1))
                await asyncio.wait({writing, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
                if not writing.done():
                    self.gone.set()
                    writing.cancel()
                hanging_up.cancel()
                await asyncio.gather(writing, hanging_up, return_exceptions=True)
                break  # one request a connection keeps what is read apart
        writer.close()


@asynccontextmanager
async def fake_models(*answers: Answer) -> AsyncIterator[FakeModels]:
    """Run a server until the block ends."""
    fake = FakeModels()
    fake.says(*(answers or (whole("Hello."),)))
    server = await asyncio.start_server(fake._serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    is_json = "json" in headers.get("content-type", "")
    return Asked(method, path, headers, json.loads(body) if body and is_json else body)


# --- whole answers ------------------------------------------------------------------------------------------------


def chat(text: str | None = "Hello.", finish: str | None = "stop", **more: Any) -> dict[str, Any]:
    """The body of a chat completion: 10 tokens in, 3 out."""
    return {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 3},
    } | more


def http(status: int, body: bytes, *headers: str, content_type: str = "application/json") -> bytes:
    """The bytes of a response."""
    head = [f"HTTP/1.1 {status} X", f"content-type: {content_type}", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*head, "connection: close", "", ""]).encode() + body


def raw(data: bytes) -> Answer:
    """These bytes, then the end of the connection."""

    async def answer(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return answer


def whole(text: str | None = "Hello.", finish: str | None = "stop", **more: Any) -> Answer:
    """A chat completion."""
    return raw(http(200, json.dumps(chat(text, finish, **more)).encode()))


def in_two(first: bytes, rest: bytes = b"") -> Answer:
    """The first bytes, time for them to be read, and the rest."""

    async def answer(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(rest)
        await writer.drain()

    return answer


def refusal(status: int, message: str = "no", *headers: str, **error: Any) -> Answer:
    """An error with an HTTP status."""
    return raw(http(status, json.dumps({"error": {"message": message} | error}).encode(), *headers))


def silence(prefix: bytes = b"") -> Answer:
    """These bytes, and then nothing until the caller hangs up."""

    async def answer(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(prefix)
        await writer.drain()
        await asyncio.Event().wait()

    return answer


def slowly(data: bytes, wait_s: float, prefix: bytes = b"") -> Answer:
    """The prefix at once, then one byte after the other."""

    async def answer(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(prefix)
        for byte in data:
            await asyncio.sleep(wait_s)
            writer.write(bytes((byte,)))
            await writer.drain()

    return answer


# --- streams ------------------------------------------------------------------------------------------------------


def event(data: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n"


def piece(text: str = "", finish: str | None = None, **delta: Any) -> bytes:
    """The event of one chunk."""
    return event({"choices": [{"index": 0, "delta": {"content": text} | delta, "finish_reason": finish}]})


USAGE = event({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 3}})
DONE = event(b"[DONE]")


def chunk(data: bytes) -> bytes:
    """A chunk of HTTP's chunked encoding."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def stream(*events: bytes, ends: bool = True) -> bytes:
    """The bytes of a streamed response."""
    return CHUNKED_HEAD + b"".join(chunk(one) for one in events) + (b"0\r\n\r\n" if ends else b"")


HELLO = stream(piece("Hel"), piece("lo."), piece(finish="stop"), USAGE, DONE)
BEGUN = stream(piece("Hel"), ends=False)
"""The first piece of an answer."""
