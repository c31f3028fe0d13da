"""The HTTP server of the OpenAI-compatible surface, on a socket of its own behind Envoy.

Calls go through the same aspects as those of gRPC: request id, deadline, key and role, number at one time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from pathlib import Path

from aiohttp import web

from loupe.router.v1.router_pb2 import CompleteRequest, StreamCompleteResponse
from servers.kit import identity
from servers.kit.errors import LoupeError, NotFound, TooLarge
from servers.kit.interceptors.call import Aspect, Call
from servers.kit.status import from_exception
from servers.router.fleet import Fleet
from servers.router.listing import list_models
from servers.router.openai.answers import ChunkWriter, completion_body, embedding_body, models_body
from servers.router.openai.errors import error_response
from servers.router.openai.requests import read_body, read_chat, read_embedding, wants_stream
from servers.router.router import Router
from servers.router.streaming import Streams

log = logging.getLogger(__name__)

SERVICE = "/loupe.router.v1.RouterService"
"""Each path needs the role that its RPC declares."""
_JSON = "application/json"
_STREAM_HEADERS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
_READ_BYTES = 256 * 1024


class OpenAiSurface:
    """Answers POST /v1/chat/completions, POST /v1/embeddings and GET /v1/models."""

    def __init__(
        self, router: Router, streams: Streams, fleet: Fleet, aspects: Sequence[Aspect], *, max_body_bytes: int
    ) -> None:
        self._router = router
        self._streams = streams
        self._fleet = fleet
        self._aspects = tuple(aspects)
        self._max_body_bytes = max_body_bytes
        self._paths: dict[tuple[str, str], tuple[str, Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]]] = {
            ("POST", "/v1/chat/completions"): ("Complete", self._chat),
            ("POST", "/v1/embeddings"): ("Embed", self._embed),
            ("GET", "/v1/models"): ("ListModels", self._models),
        }

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, whatever comes of it."""
        started = time.perf_counter()
        method, handler = self._paths.get((request.method, request.path), ("", None))
        code = "OK"
        try:
            if handler is None:
                raise NotFound(f"nothing is served at {request.method} {request.path[:100]}")
            call = Call(f"{SERVICE}/{method}", _metadata(request), is_streaming=False, time_remaining_s=None)
            async with AsyncExitStack() as stack:
                for aspect in self._aspects:
                    await stack.enter_async_context(aspect(call))
                return await handler(request)
        except Exception as error:  # the one place where errors of this surface become answers
            known = from_exception(error, request_id=identity.request_id())
            if not isinstance(error, LoupeError):
                log.error("defect", exc_info=error, extra={"request_id": identity.request_id()})
            code = known.code
            status, headers, body = error_response(known, identity.request_id())
            return web.Response(status=status, headers=headers, body=body, content_type=_JSON)
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        finally:
            took_ms = round((time.perf_counter() - started) * 1000, 2)
            extra = {"method": f"openai {method}", "code": code, "ms": took_ms, "request_id": identity.request_id()}
            log.info("rpc", extra=extra)

    async def _chat(self, request: web.BaseRequest) -> web.StreamResponse:
        body = read_body(await self._read(request))
        asked = read_chat(body)
        is_stream, with_usage = wants_stream(body)
        if is_stream:
            return await self._stream(request, asked, with_usage=with_usage)
        made = await self._router.complete(asked)
        return _ok(completion_body(made, asked.model))

    async def _stream(
        self, request: web.BaseRequest, asked: CompleteRequest, *, with_usage: bool
    ) -> web.StreamResponse:
        chunks = ChunkWriter(asked.model, identity.request_id(), with_usage=with_usage)
        async with aclosing(self._streams.stream(asked)) as responses:
            # Until the first piece an error is an ordinary answer with its own status.
            piece: StreamCompleteResponse | None = await anext(responses)
            response = web.StreamResponse(headers=_STREAM_HEADERS | {"x-request-id": identity.request_id()})
            await response.prepare(request)
            try:
                while piece is not None:
                    await response.write(chunks.end(piece.end) if piece.HasField("end") else chunks.delta(piece.delta))
                    piece = await anext(responses, None)
            except (LoupeError, TimeoutError) as error:
                # The status has gone out; no [DONE] follows, so nobody takes the answer as whole.
                known = from_exception(error, request_id=identity.request_id())
                await response.write(b"data: " + error_response(known, "")[2] + b"\n\n")
            await response.write_eof()
        return response

    async def _embed(self, request: web.BaseRequest) -> web.StreamResponse:
        asked, as_base64 = read_embedding(read_body(await self._read(request)))
        return _ok(embedding_body(await self._router.embed(asked), asked.model, as_base64=as_base64))

    async def _models(self, _request: web.BaseRequest) -> web.StreamResponse:
        return _ok(models_body(list_models(self._fleet)))

    async def _read(self, request: web.BaseRequest) -> bytes:
        """Return the body. Raises TooLarge, without reading on."""
        limit = self._max_body_bytes
        if (request.content_length or 0) > limit:
            raise TooLarge(f"the body has {request.content_length} bytes, at most {limit}")
        pieces: list[bytes] = []
        size = 0
        while piece := await request.content.readany():
            size += len(piece)
            if size > limit:
                raise TooLarge(f"the body has over {limit} bytes")
            pieces.append(piece)
        return b"".join(pieces)


@asynccontextmanager
async def listening(surface: OpenAiSurface, address: str) -> AsyncIterator[str]:
    """Serve the surface at unix:PATH or HOST:PORT until the block ends; yields the address that was bound."""
    # A caller that leaves ends its handler, and so the ask of the provider.
    server = web.Server(
        surface.answer, handler_cancellation=True, access_log=None, read_bufsize=_READ_BYTES, keepalive_timeout=75.0
    )
    runner = web.ServerRunner(server, shutdown_timeout=5.0)
    await runner.setup()
    bound = _bind(address)
    try:
        await web.SockSite(runner, bound).start()
        if bound.family != socket.AF_UNIX:
            address = f"{address.rpartition(':')[0]}:{bound.getsockname()[1]}"
        yield address
    finally:
        await runner.cleanup()
        if bound.family == socket.AF_UNIX:
            with suppress(FileNotFoundError):
                os.unlink(address.removeprefix("unix:"))  # noqa: PTH108 - one quick call, while nobody is served


def _bind(address: str) -> socket.socket:
    """Return a bound socket; that of a unix path is its owner's alone."""
    if not address.startswith("unix:"):
        host, _, port = address.rpartition(":")
        try:
            return socket.create_server((host.strip("[]"), int(port)), family=_family(host))
        except OSError as error:
            raise SystemExit(f"can't listen at {address}: {error}") from error
    path = Path(address.removeprefix("unix:"))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A socket file outlives a killed server; a living one would hold the ledger's lock, and we would not be here.
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        path.unlink()
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)
    try:
        made.bind(str(path))
    finally:
        os.umask(previous)
    return made


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _metadata(request: web.BaseRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _ok(body: bytes) -> web.Response:
    return web.Response(body=body, content_type=_JSON, headers={"x-request-id": identity.request_id()})
