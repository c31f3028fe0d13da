"""The seam between the router and whoever answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from loupe.router.v1.router_pb2 import (
    CompleteRequest,
    Completion,
    Delta,
    EmbedRequest,
    FinishReason,
    TranscribeRequest,
    TranscribeResponse,
    Usage,
)
from servers.router.configuration import ModelSection


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of a stream that came to its end."""

    reason: FinishReason.ValueType

    usage: Usage | None
    """As the provider counted; None where it didn't say."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """Embeddings in the order of their inputs."""

    values: list[list[float]]
    usage: Usage | None


class Provider(Protocol):
    """Answers for the models of one address.

    Every method raises ProviderFailure and nothing else of its own; cancelling it lets go of the connection, by which
    the provider learns that nobody waits. What is not promised: that a failed ask cost nothing.
    """

    async def complete(self, request: CompleteRequest, model: ModelSection) -> Completion:
        """Return the whole answer; `usage` is set where the provider counted. Images have their bytes."""
        ...

    def stream(self, request: CompleteRequest, model: ModelSection) -> AsyncGenerator[Delta | Finish, None]:
        """Yield the answer in pieces, none empty, and a Finish as the last."""
        ...

    async def embed(self, request: EmbedRequest, model: ModelSection) -> Vectors:
        """Return one vector for each input."""
        ...

    async def transcribe(self, request: TranscribeRequest, model: ModelSection) -> TranscribeResponse:
        """Return what is said, as far as the provider tells it: text, times, language, `usage`.

        The recording has its bytes. What is never set: call_id, decision, and a use that the provider did not count.
        """
        ...
