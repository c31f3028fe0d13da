"""Who answers when a model can't: nobody, or an engine that says that it stands in, and why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from loupe.type.v1.engine_pb2 import Engine, EngineState, EngineStatus
from servers.kit.conditions import Condition
from servers.kit.errors import LoupeError, NotReady
from servers.kit.models.base import Model

T = TypeVar("T")

_MOST_TOLD = 500


class StandIn:
    """A server's model and the engine that stands in for it, if one does.

    While it stands in the log says so once, each answer names the reason, and the status is DEGRADED.
    """

    def __init__(self, server: str, model: Model, instead: Engine | None) -> None:
        self._model = model
        self._instead = instead
        self._condition = Condition(f"{server}: model {model.identity.model} can't answer")
        self._reason = ""

    async def start(self) -> None:
        """Start the model. Raises NotReady only where nobody stands in for it."""
        try:
            await self._model.start()
        except NotReady as missing:
            if self._instead is None:
                raise
            self._begin(missing.message)

    async def answer(self, asked: Callable[[], Awaitable[T]], instead: Callable[[Engine], Awaitable[T]]) -> T:
        """Return the model's answer, or where it has none that of the engine that stands in.

        Args:
          asked: asks the model; raises LoupeError for what is the model's matter only.
          instead: answers as the engine it is given, which says why it stands in.
        Raises:
          LoupeError: the model's, where nobody stands in.
        """
        try:
            made = await asked()
        except LoupeError as error:
            if self._instead is None:
                raise
            self._begin(error.message)
            return await instead(self._standing_in(error.message))
        self._condition.end()
        self._reason = ""
        return made

    async def status(self) -> EngineStatus:
        """Return how the model is, and who stands in."""
        status = await self._model.status()
        if self._instead is None:
            return status
        status.fallback = self._instead.name
        if status.state == EngineState.ENGINE_STATE_UNAVAILABLE:
            status.state = EngineState.ENGINE_STATE_DEGRADED
        elif self._condition.is_active:
            status.state = EngineState.ENGINE_STATE_DEGRADED
            status.detail = f"the last question was answered by {self._instead.name}: {self._reason}"
        return status

    async def close(self) -> None:
        """Release the model."""
        await self._model.close()

    def _begin(self, reason: str) -> None:
        self._reason = reason[:_MOST_TOLD]
        self._condition.begin(self._reason)

    def _standing_in(self, reason: str) -> Engine:
        engine = Engine()
        if self._instead is not None:
            engine.CopyFrom(self._instead)
        engine.degraded_reason = f"{self._model.identity.model} could not answer: {reason}"[:_MOST_TOLD]
        return engine
