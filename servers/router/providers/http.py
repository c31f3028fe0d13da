"""One provider's address over HTTP: bounded, timed, never redirected, its errors told apart."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import orjson
from yarl import URL

from servers.router import failures
from servers.router.configuration import ProviderSection
from servers.router.failures import ProviderFailure
from servers.router.locality import LocalResolver
from servers.router.sse import EventTooLarge, ServerSentEvent, SseParser

MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_REFUSAL_BYTES = 64 * 1024
# Under the 5 s after which uvicorn, the server of vLLM, closes an idle connection: a request that meets the closing
# is lost.
_KEEP_IDLE_S = 3.0
_READ_BYTES = 64 * 1024


class Address:
    """Asks one base URL, with keys in its headers."""

    def __init__(self, section: ProviderSection, headers: Mapping[str, str], session: aiohttp.ClientSession) -> None:
        self._base = section.base_url.rstrip("/")
        self._urls: dict[str, URL] = {}
        self._headers = {"content-type": "application/json", "accept-encoding": "identity", **headers}
        self._session = session
        self._answer_timeout_s = section.first_token_timeout_s
        self._stall_timeout_s = section.stall_timeout_s

    async def post(self, path: str, body: bytes) -> tuple[bytes, Mapping[str, str]]:
        """Return body and headers of a 200 answer. Raises ProviderFailure."""
        try:
            async with asyncio.timeout(self._answer_timeout_s), self._open(path, body) as response:
                return await _whole(response, MAX_ANSWER_BYTES), response.headers
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
            async with self._open(path, body, until) as response:
                if "text/event-stream" not in response.headers.get("content-type", ""):
                    whole = await _whole(response, MAX_REFUSAL_BYTES, until)
                    raise _no_stream(response, whole)
                while True:
                    async with asyncio.timeout_at(until):
                        piece = await response.content.readany()
                    if not piece:
                        return
                    for event in parser.feed(piece):
                        has_begun = True
                        yield event
                        until = loop.time() + self._stall_timeout_s
        except TimeoutError as error:
            if has_begun:
                raise ProviderFailure(failures.STALL, f"no event for {self._stall_timeout_s:g} s") from error
            raise ProviderFailure(failures.TIMEOUT, f"no event within {self._answer_timeout_s:g} s") from error
        except EventTooLarge as error:
            raise ProviderFailure(failures.MALFORMED, str(error)) from error

    @asynccontextmanager
    async def _open(self, path: str, body: bytes, until: float | None = None) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield a response of status 200; whatever HTTP and sockets raise becomes a ProviderFailure."""
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = URL(self._base + path)
        try:
            async with asyncio.timeout_at(until):
                response = await self._session.post(url, data=body, headers=self._headers, allow_redirects=False)
            async with response:
                if response.status != 200:
                    async with asyncio.timeout_at(until):
                        refusal = await response.content.read(MAX_REFUSAL_BYTES)
                    raise failures.of_response(response.status, response.headers, refusal)
                yield response
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise ProviderFailure(failures.UNREACHABLE, "no connection") from error
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            raise ProviderFailure(failures.UNREACHABLE, "the connection was closed before an answer") from error
        except aiohttp.ClientPayloadError as error:
            raise ProviderFailure(failures.MALFORMED, "the answer was cut off") from error
        except aiohttp.ClientError as error:
            raise ProviderFailure(failures.MALFORMED, "the answer is no HTTP") from error


async def _whole(response: aiohttp.ClientResponse, max_bytes: int, until: float | None = None) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async with asyncio.timeout_at(until):
        while piece := await response.content.readany():
            size += len(piece)
            if size > max_bytes:
                raise ProviderFailure(failures.MALFORMED, f"the answer has over {max_bytes} bytes")
            pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _no_stream(response: aiohttp.ClientResponse, body: bytes) -> ProviderFailure:
    try:
        error = orjson.loads(body).get("error")
    except (orjson.JSONDecodeError, AttributeError):
        error = None
    if error:
        return failures.of_error_object(error)
    what = response.headers.get("content-type", "of no type")[:40]
    return ProviderFailure(failures.MALFORMED, f"the answer is no event stream but {what}")


def open_session(section: ProviderSection, *, local_only: bool) -> aiohttp.ClientSession:
    """Return the connections to one provider; other providers share none of it, cookies included."""
    connector = aiohttp.TCPConnector(
        limit=section.max_concurrent,
        keepalive_timeout=_KEEP_IDLE_S,
        resolver=LocalResolver() if local_only else None,
        ssl=ssl.create_default_context() if section.base_url.startswith("https:") else True,
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=section.connect_timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # identity is all that is asked for, and a small answer can't unpack to gigabytes
        trust_env=False,  # a proxy named in the environment would see prompts and keys
        read_bufsize=_READ_BYTES,
    )
