"""One provider's address over HTTP: bounded, timed, never redirected, its errors told apart."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping

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
            async with asyncio.timeout(self._answer_timeout_s), await self._send(path, body) as response:
                await _refuse_unless_ok(response)
                return await _whole(response, MAX_ANSWER_BYTES), response.headers
        except TimeoutError as error:
            raise ProviderFailure(failures.TIMEOUT, f"no answer within {self._answer_timeout_s:g} s") from error
        except aiohttp.ClientError as error:
            raise _failure_of(error) from error

    async def events(self, path: str, body: bytes) -> AsyncGenerator[ServerSentEvent, None]:
        """Yield the events of a 200 answer until it ends. Raises ProviderFailure.

        Only whole events count as signs of life: a slow drip of bytes stalls all the same.
        """
        loop = asyncio.get_running_loop()
        parser = SseParser()
        until = loop.time() + self._answer_timeout_s
        has_begun = False
        try:
            async with asyncio.timeout_at(until):
                response = await self._send(path, body)
            async with response:
                async with asyncio.timeout_at(until):
                    await _refuse_unless_stream(response)
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
        except aiohttp.ClientError as error:
            raise _failure_of(error) from error

    async def _send(self, path: str, body: bytes) -> aiohttp.ClientResponse:
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = URL(self._base + path)
        return await self._session.post(url, data=body, headers=self._headers, allow_redirects=False)


def _failure_of(error: aiohttp.ClientError) -> ProviderFailure:
    """Return what a broken connection or broken HTTP stands for."""
    match error:
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return ProviderFailure(failures.UNREACHABLE, "no connection")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            return ProviderFailure(failures.UNREACHABLE, "the connection was closed before an answer")
        case aiohttp.ClientPayloadError():
            return ProviderFailure(failures.MALFORMED, "the answer was cut off")
    return ProviderFailure(failures.MALFORMED, "the answer is no HTTP")


async def _refuse_unless_ok(response: aiohttp.ClientResponse) -> None:
    if response.status != 200:
        refusal = await response.content.read(MAX_REFUSAL_BYTES)
        raise failures.of_response(response.status, response.headers, refusal)


async def _refuse_unless_stream(response: aiohttp.ClientResponse) -> None:
    """Raise the failure that a whole answer in place of a stream stands for."""
    await _refuse_unless_ok(response)
    media_type = response.headers.get("content-type", "of no type")
    if "text/event-stream" in media_type:
        return
    try:
        error = orjson.loads(await _whole(response, MAX_REFUSAL_BYTES)).get("error")
    except (orjson.JSONDecodeError, AttributeError):
        error = None
    if error:
        raise failures.of_error_object(error)
    raise ProviderFailure(failures.MALFORMED, f"the answer is no event stream but {media_type[:40]}")


async def _whole(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := await response.content.readany():
        size += len(piece)
        if size > max_bytes:
            raise ProviderFailure(failures.MALFORMED, f"the answer has over {max_bytes} bytes")
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


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
