"""The OpenAI-compatible surface, on a socket of its own behind Envoy.

Calls go through the same aspects as those of gRPC: request id, deadline, key and role, number at one time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

from loupe.router.v1.router_pb2 import CompleteRequest, StreamCompleteResponse
from servers.kit import identity, logs
from servers.kit.errors import LoupeError, NotFound
from servers.kit.interceptors.call import Around, Aspect, Call
from servers.kit.status import from_exception
from servers.router.fleet import Fleet
from servers.router.http1.exchange import Exchange
from servers.router.listing import list_models
from servers.router.openai.answers import ChunkWriter, completion_body, embedding_body, models_body
from servers.router.openai.errors import error_response
from servers.router.openai.forms import read_form
from servers.router.openai.requests import read_body, read_chat, read_embedding, wants_stream
from servers.router.openai.transcriptions import read_transcription, transcription_body
from servers.router.room import Room
from servers.router.router import Router
from servers.router.streaming import Streams
from servers.router.transcribing import Transcriptions

log = logging.getLogger(__name__)

SERVICE = "/loupe.router.v1.RouterService"
"""Each path needs the role that its RPC declares."""
# Of a form, beside its recording.
_MAX_FORM_REST_BYTES = 128 * 1024
_STREAM_HEADERS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}


class OpenAiSurface:
    """Answers POST /v1/chat/completions, /v1/embeddings and /v1/audio/transcriptions, and GET /v1/models."""

    def __init__(
        self,
        router: Router,
        streams: Streams,
        transcriptions: Transcriptions,
        fleet: Fleet,
        aspects: Sequence[Aspect],
        *,
        max_body_bytes: int,
        max_audio_bytes: int,
        room: Room,
    ) -> None:
        self._router = router
        self._streams = streams
        self._transcriptions = transcriptions
        self._fleet = fleet
        self._aspects = tuple(aspects)
        self._max_body_bytes = max_body_bytes
        self._max_form_bytes = max_audio_bytes + _MAX_FORM_REST_BYTES
        self._room = room
        self._paths: dict[tuple[str, str], tuple[str, Callable[[Exchange], Awaitable[None]]]] = {
            ("POST", "/v1/chat/completions"): ("Complete", self._chat),
            ("POST", "/v1/embeddings"): ("Embed", self._embed),
            ("POST", "/v1/audio/transcriptions"): ("Transcribe", self._transcribe),
            ("GET", "/v1/models"): ("ListModels", self._models),
        }

    async def answer(self, exchange: Exchange) -> None:
        """Answer one request, whatever comes of it."""
        started = time.perf_counter()
        method, handler = self._paths.get((exchange.method, exchange.path), ("", None))
        code = "OK"
        try:
            if handler is None:
                raise NotFound(f"nothing is served at {exchange.method} {exchange.path[:100]}")
            call = Call(f"{SERVICE}/{method}", exchange.headers, is_streaming=False, time_remaining_s=None)
            with Around(call, self._aspects):
                await handler(exchange)
        except Exception as error:  # the one place where errors of this surface become answers
            known = from_exception(error, request_id=identity.request_id())
            if not isinstance(error, LoupeError):
                log.error("defect", exc_info=error, extra={"request_id": identity.request_id()})
            code = known.code
            if not exchange.has_begun:
                exchange.answer(*error_response(known, identity.request_id()))
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        finally:
            took_ms = round((time.perf_counter() - started) * 1000, 2)
            logs.call(f"openai {method}", code, took_ms, identity.request_id())

    async def _chat(self, exchange: Exchange) -> None:
        body = read_body(await exchange.read(self._max_body_bytes))
        asked = read_chat(body)
        is_stream, with_usage = wants_stream(body)
        if is_stream:
            await self._stream(exchange, asked, with_usage=with_usage)
        else:
            _ok(exchange, completion_body(await self._router.complete(asked), asked.model))

    async def _stream(self, exchange: Exchange, asked: CompleteRequest, *, with_usage: bool) -> None:
        chunks = ChunkWriter(asked.model, identity.request_id(), with_usage=with_usage)
        async with aclosing(self._streams.stream(asked)) as responses:
            # Until the first piece an error is an ordinary answer with its own status.
            piece: StreamCompleteResponse | None = await anext(responses)
            exchange.begin(_STREAM_HEADERS | {"x-request-id": identity.request_id()})
            try:
                while piece is not None:
                    await exchange.write(chunks.end(piece.end) if piece.HasField("end") else chunks.delta(piece.delta))
                    piece = await anext(responses, None)
            except (LoupeError, TimeoutError) as error:
                # The status has gone out; no [DONE] follows, so nobody takes the answer as whole.
                known = from_exception(error, request_id=identity.request_id())
                await exchange.write(b"data: " + error_response(known, "")[2] + b"\n\n")
            exchange.end()

    async def _embed(self, exchange: Exchange) -> None:
        asked, as_base64 = read_embedding(read_body(await exchange.read(self._max_body_bytes)))
        _ok(exchange, embedding_body(await self._router.embed(asked), asked.model, as_base64=as_base64))

    async def _transcribe(self, exchange: Exchange) -> None:
        stated = exchange.headers.get("content-length", "")
        most = self._max_form_bytes
        with self._room.held(min(int(stated), most) if stated.isdigit() else most):
            body = await exchange.read(most)
            content_type = exchange.headers.get("content-type", "")
            # In a thread: a form of 25 MB takes 30 ms.
            asked = read_transcription(await asyncio.to_thread(read_form, content_type, body))
            del body
        media_type, answer = transcription_body(await self._transcriptions.transcribe(asked.request), asked)
        exchange.answer(200, {"x-request-id": identity.request_id()}, answer, media_type)

    async def _models(self, exchange: Exchange) -> None:
        _ok(exchange, models_body(list_models(self._fleet)))


def _ok(exchange: Exchange, body: bytes) -> None:
    exchange.answer(200, {"x-request-id": identity.request_id()}, body)
