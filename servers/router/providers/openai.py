"""Any endpoint that speaks OpenAI's format: vLLM, llama.cpp, Ollama, OpenAI."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress

from loupe.router.v1.router_pb2 import (
    CompleteRequest,
    Completion,
    Delta,
    EmbedRequest,
    TranscribeRequest,
    TranscribeResponse,
)
from servers.router import failures
from servers.router.configuration import ModelSection, ProviderSection
from servers.router.failures import ProviderFailure
from servers.router.formats.openai_answer import ChunkReader, read_completion, read_vectors
from servers.router.formats.openai_request import chat_request, embedding_request
from servers.router.formats.openai_transcription import Detail, read_transcription, transcription_form
from servers.router.http1.connections import Connections
from servers.router.providers.base import Finish, Vectors
from servers.router.providers.http import Address

_GPU_SECONDS = "x-gpu-seconds"
_DONE = b"[DONE]"
# What a server says that gives no times, or none of words: OpenAI's newer models, vLLM's but Whisper, and others.
_NO_TIMES = re.compile(rb"response_format|verbose_json|timestamp_granularit")


class OpenAiProvider:
    """One base URL that ends in /v1."""

    def __init__(self, section: ProviderSection, key: str, connections: Connections) -> None:
        self._address = Address(section, {"authorization": f"Bearer {key}"} if key else {}, connections)
        self._most: dict[str, Detail] = {}
        """The most that a model of transcription was found to tell."""

    async def complete(self, request: CompleteRequest, model: ModelSection) -> Completion:
        """Return the whole answer."""
        body, headers = await self._address.post("/chat/completions", chat_request(request, model, is_stream=False))
        made = read_completion(body)
        gpu_s = _gpu_s(headers)
        if gpu_s is not None:
            made.usage.gpu_s = gpu_s
        return made

    async def stream(self, request: CompleteRequest, model: ModelSection) -> AsyncGenerator[Delta | Finish, None]:
        """Yield the answer in pieces, and its end."""
        reader = ChunkReader()
        events = self._address.events("/chat/completions", chat_request(request, model, is_stream=True))
        async with aclosing(events):
            async for event in events:
                if event.data == _DONE:
                    break
                delta = reader.read(event.data)
                if delta is not None:
                    yield delta
        yield reader.finish()

    async def embed(self, request: EmbedRequest, model: ModelSection) -> Vectors:
        """Return one vector for each input."""
        body, _ = await self._address.post("/embeddings", embedding_request(request, model))
        return read_vectors(body, len(request.inputs))

    async def transcribe(self, request: TranscribeRequest, model: ModelSection) -> TranscribeResponse:
        """Return what is said, with as many times as the model tells; which it refuses to is found out once."""
        detail = min(Detail.WORDS if request.wants_words else Detail.SEGMENTS, self._most.get(model.name, Detail.WORDS))
        while True:
            form = transcription_form(request, model, detail)
            try:
                body, headers = await self._address.post(
                    "/audio/transcriptions", *form.pieces, media_type=form.media_type
                )
                break
            except ProviderFailure as failure:
                refuses = failure.kind == failures.INVALID and _NO_TIMES.search(failure.told)
                if not refuses or detail is Detail.TEXT:
                    raise
                detail = self._most[model.name] = Detail(detail - 1)
        made = read_transcription(body)
        gpu_s = _gpu_s(headers)
        if gpu_s is not None:
            made.usage.gpu_s = gpu_s
        return made


def _gpu_s(headers: Mapping[str, str]) -> float | None:
    if _GPU_SECONDS in headers:
        with suppress(ValueError):
            seconds = float(headers[_GPU_SECONDS])
            return seconds if 0 <= seconds < 1e6 else None  # NaN compares as false
    return None
