"""Anthropic's Messages API, or a server that speaks it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

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
from servers.router.formats.anthropic import VERSION, EventReader, messages_request, read_message
from servers.router.http1.connections import Connections
from servers.router.providers.base import Finish, Vectors
from servers.router.providers.http import Address

_PATH = "/v1/messages"


class AnthropicProvider:
    """One base URL, without the /v1."""

    def __init__(self, section: ProviderSection, key: str, connections: Connections) -> None:
        headers = {"anthropic-version": VERSION}
        if key:
            headers["x-api-key"] = key
        self._address = Address(section, headers, connections)

    async def complete(self, request: CompleteRequest, model: ModelSection) -> Completion:
        """Return the whole answer."""
        body, _ = await self._address.post(_PATH, messages_request(request, model, is_stream=False))
        return read_message(body)

    async def stream(self, request: CompleteRequest, model: ModelSection) -> AsyncGenerator[Delta | Finish, None]:
        """Yield the answer in pieces, and its end."""
        reader = EventReader()
        events = self._address.events(_PATH, messages_request(request, model, is_stream=True))
        async with aclosing(events):
            async for event in events:
                delta = reader.read(event.data)
                if delta is not None:
                    yield delta
                if reader.has_stopped:
                    break
        yield reader.finish()

    async def embed(self, request: EmbedRequest, model: ModelSection) -> Vectors:
        """Raise: the API has no embeddings."""
        raise ProviderFailure(failures.INVALID, "this kind of provider has no embeddings")

    async def transcribe(self, request: TranscribeRequest, model: ModelSection) -> TranscribeResponse:
        """Raise: the API writes no speech down."""
        raise ProviderFailure(failures.INVALID, "this kind of provider writes no speech down")
