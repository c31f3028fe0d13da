"""One connection to a provider: one ask at a time, its answer parsed by llhttp as it comes."""

from __future__ import annotations

import asyncio
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from servers.router import failures
from servers.router.failures import ProviderFailure

MAX_HEAD_BYTES = 64 * 1024
"""Of an answer: status line and headers."""
# A stream that nobody takes stops being read here; the provider then waits.
_MOST_HELD_BYTES = 256 * 1024


class Connection(asyncio.Protocol):
    """Sends an ask and gives its answer: `ask`, then `head`, then `whole` or `piece` until it is empty.

    Each wait raises TimeoutError at the loop's time `until`, and ProviderFailure where the answer breaks. Whoever stops
    in between closes the connection: what would still come belongs to no other ask.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._is_asked = False
        self._is_closed = False
        self._begin()

    def _begin(self) -> None:
        self._parser = HttpResponseParser(self)
        self.status = 0
        self.headers: dict[str, str] = {}
        """Of the answer, their names in lower case."""
        self._head_size = 0
        self._pieces: list[bytes] = []
        self._size = 0
        self._has_head = False
        self._is_over = False
        self._may_follow = False
        self._takes_all = False
        self._is_paused = False
        self._failure: ProviderFailure | None = None

    @property
    def can_be_asked(self) -> bool:
        """Whether the last answer is over and another ask may follow it here."""
        return not self._is_closed and (self._may_follow or not self._is_asked)

    def ask(self, request: bytes, *more: bytes) -> None:
        """Send a request, large ones in pieces that nobody has to join."""
        if self._is_asked:
            self._begin()
        self._is_asked = True
        self._transport.write(request)
        for piece in more:
            self._transport.write(piece)

    async def head(self, until: float) -> None:
        """Return once `status` and `headers` are there."""
        while not self._has_head:
            await self._more(until)

    async def whole(self, max_bytes: int, until: float) -> bytes:
        """Return the body once it is there."""
        self._takes_all = True
        while not self._is_over and self._size <= max_bytes:
            await self._more(until)
        if self._size > max_bytes:
            raise ProviderFailure(failures.MALFORMED, f"the answer has over {max_bytes} bytes")
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    async def piece(self, until: float) -> bytes:
        """Return what has come of the body; empty at its end."""
        while not self._pieces and not self._is_over:
            await self._more(until)
        taken = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        return taken

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()

    async def _more(self, until: float) -> None:
        """Return after something has come."""
        if self._failure is not None:
            raise self._failure
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
        self._waiter = self._loop.create_future()
        timer = self._loop.call_at(until, self._time_out)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _time_out(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(TimeoutError())

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, failure: ProviderFailure) -> None:
        if self._failure is None and not self._is_over:
            self._failure = failure
        self._may_follow = False
        self._transport.abort()

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without inheriting it

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self._is_over or not self._is_asked:
            # Words that answer no question: the next answer could be anybody's.
            self._may_follow = False
            self._transport.abort()
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._fail(ProviderFailure(failures.MALFORMED, "the answer is no HTTP"))
        if not self._has_head:
            self._head_size += len(data)
            if self._head_size > MAX_HEAD_BYTES:
                self._fail(ProviderFailure(failures.MALFORMED, f"the answer's head has over {MAX_HEAD_BYTES} bytes"))
        if self._size > _MOST_HELD_BYTES and not self._takes_all and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        if not self._takes_all or self._is_over or self._failure is not None or self._size > _MOST_HELD_BYTES:
            self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """Note that nothing more will come: an answer without a stated length ends so."""
        self._is_closed = True
        if not self._has_head:
            self._fail(ProviderFailure(failures.UNREACHABLE, "the connection was closed before an answer"))
        elif self._ends_with_the_connection and error is None:
            self._is_over = True
        else:
            self._fail(ProviderFailure(failures.MALFORMED, "the answer was cut off"))
        self._wake()

    @property
    def _ends_with_the_connection(self) -> bool:
        return "content-length" not in self.headers and "chunked" not in self.headers.get("transfer-encoding", "")

    # What the parser tells.

    def on_message_begin(self) -> None:
        """Note a second answer where one was asked for."""
        if self._is_over:
            self._may_follow = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header of the answer."""
        if not self._has_head:
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Note the head."""
        if self._is_over:
            return
        self.status = self._parser.get_status_code()
        # Interim answers (100 Continue, 103 Early Hints) come before the one that counts.
        self._has_head = self.status >= 200

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        if not self._is_over:
            self._pieces.append(body)
            self._size += len(body)

    def on_message_complete(self) -> None:
        """Note the end."""
        if not self._has_head:
            self.headers.clear()
        elif not self._is_over:
            self._is_over = True
            self._may_follow = self._parser.should_keep_alive()
