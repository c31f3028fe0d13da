"""What an engine asks of a model."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from loupe.router.v1.router_pb2 import CompleteRequest, Completion, StreamCompleteResponse
from loupe.type.v1.engine_pb2 import Engine, EngineStatus


class Model(Protocol):
    """What is true of every model, whatever it is asked."""

    @property
    def identity(self) -> Engine:
        """How the model is reached, its configured name, and its revision where that is known before it is asked."""
        ...

    async def start(self) -> None:
        """Make the model ready to be asked, as far as that is this process's to do.

        Raises:
          NotReady: something has to be installed, fetched or freed first; the message says what.
        """
        ...

    async def status(self) -> EngineStatus:
        """Return how the model is at this moment; raises nothing, what is wrong is the status."""
        ...

    async def close(self) -> None:
        """Release everything."""
        ...


class ChatModel(Model, Protocol):
    """A model that continues a conversation of text and images.

    A request leaves `model` and `job_id` empty: a model knows its own name, and the running call knows whose it is, for
    which job and until when (`servers.kit.identity`). Images come as bytes. `switches`, `figure_kind` and `fitting` are
    wishes that only a router can fulfil; others leave them aside.

    Cancelling the task that waits for an answer, or closing a stream, ends the model's work on it.

    Not promised: that the same request gives the same answer, or that an answer to a JSON schema fits it, or is JSON;
    `servers.kit.models.structured` sees to the last two.
    """

    async def complete(self, request: CompleteRequest) -> Completion:
        """Return the whole answer, with what it used and, in `decision.revision`, which model gave it.

        Raises:
          InvalidField, NotFound, ContextTooLong, NoCapableModel, PolicyRefused: this request will never be answered.
          Overloaded, BudgetExhausted, UpstreamUnavailable, NotReady, DeadlineExceeded: not now.
        """
        ...

    def stream(self, request: CompleteRequest) -> AsyncGenerator[StreamCompleteResponse, None]:
        """Yield the answer as it comes; the last event is always `end`, which says whether the answer is whole.

        Raises as `complete`, before the first event only.
        """
        ...
