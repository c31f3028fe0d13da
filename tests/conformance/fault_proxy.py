"""A proxy that breaks what a server answers: at a byte, at an event, or at once.

It stands between the router and a model server. What it passes on it passes unchanged; a fault is armed for the next
answer of every connection, and counts bytes from the answer's first.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

Action = Literal["cut", "stall", "drip", "garbage", "bad chunk", "error", "429"]
Where = int | Literal["head", "body", "event", "event within", "last byte"]
"""A byte of the answer; within its head; where its body begins; after its first event, or a few bytes on; one byte
short of its end (of answers with a content-length)."""

_READ_BYTES = 65536
_GARBAGE = b"\xff\x00\xfe{]\r\n" * 12


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and where."""

    action: Action
    where: Where = 0
    drip_s: float = 0.03


@dataclass
class FaultProxy:
    """Passes on, until it is told otherwise."""

    upstream: tuple[str, int] = ("127.0.0.1", 0)
    port: int = 0
    fault: Fault | None = None
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a caller closed a connection whose answer was not over."""
    connections: set[_Connection] = field(default_factory=set)

    def arm(self, fault: Fault | None) -> None:
        """Break the next answers so; None: none."""
        self.fault = fault
        self.hung_up.clear()

    def break_now(self, action: Action) -> None:
        """Break every answer that is under way, wherever it is, and those that follow at their first byte."""
        self.arm(Fault(action))
        for connection in self.connections:
            connection.breaks_now = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection(*self.upstream)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(self, writer)
        self.connections.add(connection)
        up = asyncio.create_task(connection.pass_up(reader, up_writer))
        down = asyncio.create_task(connection.pass_down(up_reader))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            if up.done() and connection.is_answering:
                self.hung_up.set()
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            self.connections.discard(connection)
            for transport in (writer.transport, up_writer.transport):
                transport.abort()


class _Connection:
    """One connection, and the answer on it."""

    def __init__(self, proxy: FaultProxy, writer: asyncio.StreamWriter) -> None:
        self.breaks_now = False
        self.is_answering = False
        self._proxy = proxy
        self._writer = writer
        self._seen = bytearray()
        """What came of this answer."""
        self._sent = 0

    def __hash__(self) -> int:
        return id(self)

    async def pass_up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(_READ_BYTES):
                if not self.breaks_now:
                    self._seen.clear()
                    self._sent = 0
                self.is_answering = True
                writer.write(data)
                await writer.drain()

    async def pass_down(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(_READ_BYTES):
                self._seen += data
                fault = self._proxy.fault
                place = None if fault is None else self._place(fault)
                if fault is None or place is None:
                    await self._send(len(self._seen))
                    continue
                await self._send(max(place, self._sent))
                await self._break(fault, reader)
                return

    def _place(self, fault: Fault) -> int | None:
        """Return the byte at which the fault is; None: it has not come."""
        if self.breaks_now:
            return self._sent
        seen = bytes(self._seen)
        if isinstance(fault.where, int):
            return fault.where if len(seen) >= fault.where else None
        head = seen.find(b"\r\n\r\n") + 4
        if fault.where == "head":
            return 20 if len(seen) >= 20 else None
        if head < 4:
            return None
        if fault.where == "body":
            return head
        if fault.where == "last byte":
            length = int(seen[:head].lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            return head + length - 1 if len(seen) >= head + length - 1 else None
        event = seen.find(b"\n\n\r\n", head)
        if event < 0:
            return None
        place = event + 4 + (12 if fault.where == "event within" else 0)
        return place if len(seen) >= place else None

    async def _send(self, end: int) -> None:
        self._writer.write(bytes(self._seen[self._sent : end]))
        self._sent = end
        await self._writer.drain()

    async def _break(self, fault: Fault, reader: asyncio.StreamReader) -> None:
        """Do what the fault says with the rest of the answer; returns when the connection is to end."""
        is_stream = b"text/event-stream" in self._seen[: self._sent]
        match fault.action:
            case "stall":
                await asyncio.Event().wait()
            case "drip":
                await self._drip(fault.drip_s, reader)
            case "garbage":
                await self._inject(_GARBAGE)
            case "bad chunk":
                await self._inject(b"zz\r\n")
            case "error" | "429":
                code = 429 if fault.action == "429" else 500
                error = json.dumps({"error": {"message": "broken on purpose", "code": code}}).encode()
                if is_stream:
                    event = b"data: " + error + b"\n\n"
                    await self._inject(b"%x\r\n%s\r\n0\r\n\r\n" % (len(event), event))
                else:
                    status = b"429 Too Many Requests" if fault.action == "429" else b"200 OK"
                    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
                    await self._inject(head % (status, len(error)) + error)
        # A cut is the end of the connection, not of the answer.

    async def _drip(self, wait_s: float, reader: asyncio.StreamReader) -> None:
        while True:
            for byte in bytes(self._seen[self._sent :]):
                await asyncio.sleep(wait_s)
                self._writer.write(bytes((byte,)))
                self._sent += 1
                await self._writer.drain()
            self._seen += await reader.read(_READ_BYTES)

    async def _inject(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()
        await asyncio.sleep(0.02)  # it is to be read before the connection is gone
        self._writer.close()
        await self._writer.wait_closed()


@asynccontextmanager
async def fault_proxy(host: str, port: int) -> AsyncIterator[FaultProxy]:
    """Run a proxy to a server until the block ends."""
    proxy = FaultProxy((host, port))
    server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for connection in list(proxy.connections):
            connection._writer.transport.abort()
