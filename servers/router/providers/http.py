"""One provider's address over HTTP: bounded, timed, never redirected, its errors told apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager

import orjson

from servers.kit.errors import NotReady
from servers.router import failures
from servers.router.configuration import ProviderSection
from servers.router.failures import ProviderFailure
from servers.router.http1.connection import Connection
from servers.router.http1.connections import Connections
from servers.router.sse import EventTooLarge, ServerSentEvent, SseParser

JSON = b"application/json"
MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_REFUSAL_BYTES = 64 * 1024


class Address:
    """Asks one base URL, with keys in its headers."""

    def __init__(self, section: ProviderSection, headers: Mapping[str, str], connections: Connections) -> None:
        self._connections = connections
        # Identity is all that is asked for, so that a small answer can't unpack to gigabytes.
        all_headers = {"accept-encoding": "identity", **headers}
        self._headers = b"host: " + connections.host_header + b"\r\n"
        for name, value in all_headers.items():
            if not (value.isascii() and value.isprintable()):
                raise NotReady(f"providers.{section.name}: its key is no text that a header can hold")
            self._headers += f"{name}: {value}\r\n".encode()
        self._answer_timeout_s = section.first_token_timeout_s
        self._stall_timeout_s = section.stall_timeout_s

    async def post(
        self, path: str, body: bytes, *more: bytes, media_type: bytes = JSON
    ) -> tuple[bytes, Mapping[str, str]]:
        """Return body and headers of a 200 answer; `more` are further pieces of the body. Raises ProviderFailure."""
        until = asyncio.get_running_loop().time() + self._answer_timeout_s
        try:
            connection = await self._connections.take(until)
            try:
                await self._ask(connection, path, body, until, *more, media_type=media_type)
                return await connection.whole(MAX_ANSWER_BYTES, until), connection.headers
            finally:
                self._connections.give_back(connection)
        except TimeoutError as error:
            raise ProviderFailure(failures.TIMEOUT, f"no answer within {self._answer_timeout_s:g} s") from error

    async def events(self, path: str, body: bytes) -> AsyncGenerator[ServerSentEvent, None]:
        """Yield the events of a 200 answer until it ends. Raises ProviderFailure.

        Only whole events count as signs of life: a slow drip of bytes stalls all the same.
        """
        loop = asyncio.get_running_loop()
        parser = SseParser()
        until = loop.time() + self._answer_timeout_s
        has_begun = False
        try:
            connection = await self._connections.take(until)
            try:
                await self._ask(connection, path, body, until)
                await _refuse_unless_stream(connection, until)
                while piece := await connection.piece(until):
                    for event in parser.feed(piece):
                        has_begun = True
                        yield event
                        until = loop.time() + self._stall_timeout_s
            finally:
                self._connections.give_back(connection)
        except TimeoutError as error:
            if has_begun:
                raise ProviderFailure(failures.STALL, f"no event for {self._stall_timeout_s:g} s") from error
            raise ProviderFailure(failures.TIMEOUT, f"no event within {self._answer_timeout_s:g} s") from error
        except EventTooLarge as error:
            raise ProviderFailure(failures.MALFORMED, str(error)) from error

    async def _ask(
        self, connection: Connection, path: str, body: bytes, until: float, *more: bytes, media_type: bytes = JSON
    ) -> None:
        """Return once an answer of status 200 has begun."""
        head = b"POST %b%b HTTP/1.1\r\n%bcontent-type: %b\r\ncontent-length: %d\r\n\r\n"
        size = len(body) + sum(map(len, more))
        connection.ask(head % (self._connections.path, path.encode(), self._headers, media_type, size) + body, *more)
        await connection.head(until)
        if connection.status != 200:
            refusal = await connection.piece(until)
            raise failures.of_response(connection.status, connection.headers, refusal[:MAX_REFUSAL_BYTES])


async def _refuse_unless_stream(connection: Connection, until: float) -> None:
    """Raise the failure that a whole answer in place of a stream stands for."""
    media_type = connection.headers.get("content-type", "of no type")
    if "text/event-stream" in media_type:
        return
    try:
        error = orjson.loads(await connection.whole(MAX_REFUSAL_BYTES, until)).get("error")
    except (orjson.JSONDecodeError, AttributeError):
        error = None
    if error:
        raise failures.of_error_object(error)
    raise ProviderFailure(failures.MALFORMED, f"the answer is no event stream but {media_type[:40]}")


@asynccontextmanager
async def open_session(section: ProviderSection, *, local_only: bool) -> AsyncIterator[Connections]:
    """Keep the connections to one provider until the block ends; other providers share none of it."""
    connections = Connections(section.base_url, connect_timeout_s=section.connect_timeout_s, local_only=local_only)
    try:
        yield connections
    finally:
        connections.close()
