"""A caller's connection: requests parsed by llhttp, answered one after the other, each in a task of its own."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url

from servers.router.http1.exchange import Exchange

log = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[Exchange], Coroutine[Any, Any, None]]
"""Answers an exchange, errors included."""

MAX_HEAD_BYTES = 64 * 1024
"""Of a request: its first line and headers."""
IDLE_S = 75.0
"""Time between two requests, and until a head is whole."""
LINGER_S = 5.0
"""Time that a caller gets to send the rest of a body that nobody reads, before it would lose its answer to a reset."""
# A body that no handler reads yet stops being read here; so do requests that come before their turn.
_MOST_HELD_BYTES = 256 * 1024
_REFUSED = (
    b'{"error":{"message":"this is no HTTP/1.1 request","type":"invalid_request_error","param":null,"code":null}}'
)


class _HeadTooLarge(Exception):
    pass


class Caller(asyncio.Protocol):
    """One connection. When the caller leaves, its handler is cancelled."""

    def __init__(self, handler: Handler, all_: set[Caller]) -> None:
        self._handler = handler
        self._all = all_
        self._loop = asyncio.get_running_loop()
        self._parser = HttpRequestParser(self)
        self._url = b""
        self._headers: dict[str, str] = {}
        self._head_size = 0
        self._fed_size = 0
        self._is_in_head = False
        self._coming: Exchange | None = None
        """The request whose body is being read."""
        self._next: deque[Exchange] = deque()
        """Requests before their turn (pipelining)."""
        self._task: asyncio.Task[None] | None = None
        self._refusal = 0
        """HTTP status for what came last, which was no request; no other follows it."""
        self._is_closing = False
        """Whether no more requests are taken; what comes after the last one is dropped."""
        self._is_paused = False
        self._drained: asyncio.Future[None] | None = None
        self._idle_since = self._loop.time()

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The request in work."""
        return self._task

    def stop(self) -> None:
        """Take no more requests; hang up once the one in work is answered."""
        self._is_closing = True
        if self._task is None:
            self._transport.close()

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without inheriting it
        self._all.add(self)
        self._watch = self._loop.call_later(IDLE_S, self._hang_up_if_idle)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, and begin with the first request that is there."""
        if self._refusal or (self._is_closing and self._coming is None):
            return
        if self._is_in_head:
            self._fed_size += len(data)  # a line that never ends is told by nothing else
        try:
            self._parser.feed_data(data)
            if self._is_in_head and self._fed_size > MAX_HEAD_BYTES:
                raise _HeadTooLarge
        except HttpParserUpgrade:
            self._is_closing = True  # the request itself is answered, in the protocol that it came in
        except (HttpParserError, _HeadTooLarge) as error:
            is_large = isinstance(error, _HeadTooLarge) or isinstance(error.__context__, _HeadTooLarge)
            self._refuse(431 if is_large else 400)
        if self._task is None:
            self._go_on()
        self._pause_or_resume()

    def pause_writing(self) -> None:
        """Make writers wait."""
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        """Let writers go on."""
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def connection_lost(self, error: Exception | None) -> None:
        """Let go of the request in work."""
        self._is_closing = True
        self._all.discard(self)
        self._watch.cancel()
        self._next.clear()
        if self._task is not None:
            self._task.cancel()

    # What the parser tells.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._is_in_head = True
        self._url = b""
        self._headers = {}
        self._head_size = self._fed_size = 0

    def on_url(self, url: bytes) -> None:
        """Keep a piece of the target."""
        self._url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        self._count(len(name) + len(value))

    def on_headers_complete(self) -> None:
        """Begin an exchange."""
        self._is_in_head = False
        parser = self._parser
        version = parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise HttpParserError(f"HTTP/{version}")
        path = self._url if self._url.startswith(b"/") else (parse_url(self._url).path or b"/")
        self._coming = Exchange(
            self,
            parser.get_method().decode("latin-1"),
            path.partition(b"?")[0].decode("latin-1"),
            self._headers,
            is_http_1_0=version == "1.0",
        )
        self._next.append(self._coming)

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        if self._coming is not None:
            self._coming.take(body)

    def on_message_complete(self) -> None:
        """Note the end of a request."""
        if self._coming is not None:
            self._coming.complete(keeps_alive=self._parser.should_keep_alive())
            self._coming = None

    # What an exchange asks for.

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if not self._transport.is_closing():
            self._transport.write(data)

    async def drained(self) -> None:
        """Return once the caller has taken most of what was sent."""
        if self._drained is not None:
            await self._drained

    def wants_more(self) -> None:
        """Read on."""
        self._pause_or_resume()

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > MAX_HEAD_BYTES:
            raise _HeadTooLarge

    def _refuse(self, status: int) -> None:
        """Answer what came last with a status, in its turn, and take nothing more."""
        self._refusal = status
        if self._coming is None:
            return
        if self._next and self._next[-1] is self._coming:
            self._next.pop()
        elif self._task is not None:
            self._task.cancel()  # the rest of its body is lost
        self._coming = None

    def _go_on(self) -> None:
        """Begin with the next request, or refuse what is none."""
        if self._next:
            self._task = self._loop.create_task(self._work(self._next.popleft()))
        elif self._refusal:
            refusal = Exchange(self, "", "", {}, is_http_1_0=False)
            refusal.answer(self._refusal, {}, _REFUSED)
            self._linger()

    async def _work(self, exchange: Exchange) -> None:
        try:
            await self._handler(exchange)
        except Exception as error:  # a handler answers its errors itself: this one could not
            log.error("defect", exc_info=error)
        finally:
            self._task = None
            self._idle_since = self._loop.time()
            self._finish(exchange)

    def _finish(self, exchange: Exchange) -> None:
        if self._transport.is_closing():
            return
        if self._refusal and not exchange.has_begun:
            self._go_on()
        elif not exchange.is_answered:
            self._transport.close()
        elif not exchange.is_whole:
            self._linger()
        elif not exchange.keeps_alive or self._is_closing:
            self._transport.close()
        else:
            self._go_on()
            self._pause_or_resume()

    def _linger(self) -> None:
        """End, but drop what the caller still sends: a reset would take the answer from it."""
        self._is_closing = True
        self._coming = None
        self._next.clear()
        self._pause_or_resume()
        if self._transport.can_write_eof():  # over TLS it can't
            self._transport.write_eof()
        self._watch.cancel()
        self._watch = self._loop.call_later(LINGER_S, self._transport.close)

    def _pause_or_resume(self) -> None:
        """Stop reading while more is held than is worked on; a paused connection can't tell that its caller left."""
        waits = bool(self._next) or (self._coming is not None and self._coming.held_size > _MOST_HELD_BYTES)
        if waits is self._is_paused or self._transport.is_closing():
            return
        self._is_paused = waits
        if waits:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _hang_up_if_idle(self) -> None:
        waited = 0.0 if self._task is not None else self._loop.time() - self._idle_since
        if waited >= IDLE_S:
            self._transport.close()
        else:
            self._watch = self._loop.call_later(IDLE_S - waited, self._hang_up_if_idle)
