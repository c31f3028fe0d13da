"""The engine that shows the image to a model beside the builtin reading, and holds the one against the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from loupe.type.v1.engine_pb2 import Engine, EngineStatus
from loupe.type.v1.figure_pb2 import Figure
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse
from servers.kit.models.asking import Answered, Limits
from servers.kit.models.base import ChatModel
from servers.kit.models.stand_in import StandIn
from servers.vision.crosscheck import cross_check
from servers.vision.engines.builtin import BuiltinEngine
from servers.vision.looking import kind_of, look
from servers.vision.revision import REVISION

_BUILTIN = Engine(name="builtin", revision=REVISION)


class ModelVisionEngine:
    """A `VisionEngine` whose figures are measured as ever, and doubted where a model sees otherwise."""

    def __init__(
        self,
        by_rule: BuiltinEngine,
        model: ChatModel,
        limits: Limits,
        *,
        max_pixels: int,
        falls_back: bool,
        reads_first: bool = False,
    ) -> None:
        """Take the model.

        Args:
          reads_first: tell the model's router what kind of figure was read, and so ask only after the reading.
        """
        self._by_rule = by_rule
        self._model = model
        self._limits = limits
        self._max_pixels = max_pixels
        self._reads_first = reads_first
        self._stand_in = StandIn("vision", model, _BUILTIN if falls_back else None)

    async def start(self) -> None:
        """Start the workers and the model."""
        await self._by_rule.start()
        await self._stand_in.start()

    async def analyze(self, image: bytes) -> AnalyzeImageResponse:
        """Return what the image shows; both look at it at once, where the model need not know what was read."""
        picture = await self._by_rule.shrink(image, self._max_pixels)
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._by_rule.analyze(image))
                kind = kind_of((await reading).figures) if self._reads_first else ""
                looking = group.create_task(self._stand_in.answer(lambda: self._look(picture, kind), _nothing))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        answer, seen = reading.result(), looking.result()
        if isinstance(seen, Engine):
            answer.engine.CopyFrom(seen)
            return answer
        await asyncio.to_thread(cross_check, answer, seen.value.figures)
        answer.engine.CopyFrom(seen.engine)
        answer.engine.name = f"{_BUILTIN.name}+{seen.engine.name}"
        answer.engine.revision = f"{_BUILTIN.revision}; {seen.engine.revision}"
        return answer

    async def overlay(self, image: bytes, figures: Sequence[Figure]) -> bytes:
        """Return a PNG of the image with the evidence of the figures drawn on it."""
        return await self._by_rule.overlay(image, figures)

    async def status(self) -> EngineStatus:
        """Return how the model is."""
        return await self._stand_in.status()

    async def close(self) -> None:
        """End the workers and release the model."""
        await self._by_rule.close()
        await self._stand_in.close()

    async def _look(self, picture: bytes, kind: str) -> Answered[AnalyzeImageResponse] | Engine:
        return await look(self._model, picture, self._limits, figure_kind=kind)


async def _nothing(engine: Engine) -> Answered[AnalyzeImageResponse] | Engine:
    return engine
