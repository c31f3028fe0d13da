"""One request and its answer, as a handler sees them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol

from servers.kit.errors import TooLarge

_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


class Peer(Protocol):
    """The side of a caller's connection that an exchange writes to."""

    def write(self, data: bytes) -> None:
        """Send bytes."""
        ...

    async def drained(self) -> None:
        """Return once the caller has taken most of what was sent."""
        ...

    def wants_more(self) -> None:
        """Read on, where reading had stopped."""
        ...


class Exchange:
    """A request whose head is there, and whose body may still come. It is answered once, whole or in pieces."""

    __slots__ = (
        *("method", "path", "headers", "held_size", "is_whole", "has_begun", "is_answered", "keeps_alive"),
        *("_peer", "_pieces", "_size", "_more", "_is_http_1_0", "_head"),
    )

    def __init__(self, peer: Peer, method: str, path: str, headers: dict[str, str], *, is_http_1_0: bool) -> None:
        self.method = method
        self.path = path
        """Without its query."""
        self.headers = headers
        """Their names in lower case; of several of one name the last."""
        self.held_size = 0
        """Bytes of the body that wait to be read."""
        self.is_whole = False
        """Whether all of the body has come."""
        self.has_begun = False
        """Whether some of the answer has gone out."""
        self.is_answered = False
        """Whether the answer has gone out to its end."""
        self.keeps_alive = False
        """Whether another request may follow on the connection; known once the body is there."""
        self._peer = peer
        self._pieces: list[bytes] = []
        self._size = 0
        self._more: asyncio.Future[None] | None = None
        self._is_http_1_0 = is_http_1_0
        self._head = b""

    # For the handler.

    async def read(self, max_bytes: int) -> bytes:
        """Return the body. Raises TooLarge, without reading on."""
        stated = self.headers.get("content-length", "")
        if stated.isdigit() and int(stated) > max_bytes:
            raise TooLarge(f"the body has {int(stated)} bytes, at most {max_bytes}")
        if not self.is_whole and self.headers.get("expect", "").lower() == "100-continue" and not self._size:
            self._peer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while self._size <= max_bytes and not self.is_whole:
            self.held_size = 0
            self._peer.wants_more()
            self._more = asyncio.get_running_loop().create_future()
            await self._more
        if self._size > max_bytes:
            raise TooLarge(f"the body has over {max_bytes} bytes")
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def answer(
        self, status: int, headers: Mapping[str, str], body: bytes, media_type: str = "application/json"
    ) -> None:
        """Send a whole answer."""
        kind = b"content-type: %b\r\ncontent-length: %d\r\n" % (media_type.encode("latin-1"), len(body))
        head = _head(status, headers) + kind
        self._peer.write(head + self._end_of_head() + (b"" if self.method == "HEAD" else body))
        self.has_begun = self.is_answered = True

    def begin(self, headers: Mapping[str, str]) -> None:
        """Begin an answer in pieces; its head goes out with the first."""
        head = _head(200, headers)
        if not self._is_http_1_0:  # which knows no chunks: the answer ends with the connection
            head += b"transfer-encoding: chunked\r\n"
        self._head = head + self._end_of_head()

    async def write(self, piece: bytes) -> None:
        """Send a piece, which is not empty; waits for a caller who is slower."""
        self._peer.write(self._head + (piece if self._is_http_1_0 else b"%x\r\n%b\r\n" % (len(piece), piece)))
        self._head = b""
        self.has_begun = True
        await self._peer.drained()

    def end(self) -> None:
        """End an answer in pieces."""
        self._peer.write(self._head + (b"" if self._is_http_1_0 else b"0\r\n\r\n"))
        self.has_begun = self.is_answered = True

    def _end_of_head(self) -> bytes:
        # What is left of a body may never come; and HTTP/1.0 is not promised a second answer.
        closes = not self.is_whole or not self.keeps_alive or self._is_http_1_0
        self.keeps_alive = not closes
        return b"connection: close\r\n\r\n" if closes else b"\r\n"

    # For the connection.

    def take(self, piece: bytes) -> None:
        """Keep a piece of the body."""
        self._pieces.append(piece)
        self._size += len(piece)
        self.held_size += len(piece)
        self._wake()

    def complete(self, *, keeps_alive: bool) -> None:
        """Note that all of the body is there."""
        self.is_whole = True
        # An answer that began before has said that nothing follows.
        self.keeps_alive = keeps_alive and not self._head and not self.has_begun
        self._wake()

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)


_date_s = 0
_date = b""


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    global _date_s, _date
    now_s = int(time.time())
    if now_s != _date_s:
        _date_s, _date = now_s, formatdate(now_s, usegmt=True).encode()
    head = b"HTTP/1.1 %d %b\r\ndate: %b\r\n" % (status, _REASONS.get(status, b""), _date)
    for name, value in headers.items():
        head += f"{name}: {value}\r\n".encode("latin-1")
    return head
