"""The engine that has a model write down what the builtin's ear took for speech, piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from loupe.speech.v1.speech_pb2 import StreamTranscribeResponse
from loupe.type.v1.engine_pb2 import Engine, EngineStatus
from servers.kit import identity
from servers.kit.errors import DeadlineExceeded, InvalidField, Overloaded, UpstreamUnavailable
from servers.kit.models.stand_in import StandIn
from servers.speech.engines.builtin import BuiltinEngine
from servers.speech.engines.listening import SpeechModel, Written, language_of
from servers.speech.languages import ENGLISH, check_english
from servers.speech.pieces import Piece
from servers.speech.transcript import Transcript

# Of a call's remaining time, for the model; the rest is for whoever stands in for it.
_SHARE_OF_TIME = 0.8


class ModelSpeechEngine:
    """A `SpeechEngine` whose words are a model's; where nobody speaks, no model is asked."""

    def __init__(
        self, by_rule: BuiltinEngine, model: SpeechModel, *, time_s: float, max_at_work: int, falls_back: bool
    ) -> None:
        """Take the parts.

        Args:
          time_s: longest time for one piece.
          max_at_work: recordings whose pieces are held in memory, 2 MB a minute of speech.
          falls_back: the builtin engine writes down what the model can't.
        """
        self._by_rule = by_rule
        self._model = model
        self._time_s = time_s
        self._max_at_work = max_at_work
        self._at_work = 0
        self._stand_in = StandIn("speech", model, by_rule.engine if falls_back else None)

    async def start(self) -> None:
        """See that workers could start, and make the model ready."""
        await self._by_rule.start()
        await self._stand_in.start()

    async def transcribe(self, recording: bytes, language: str) -> AsyncGenerator[StreamTranscribeResponse, None]:
        """Yield the segments of each piece when the model has written it down, then the end."""
        if self._at_work >= self._max_at_work:
            raise Overloaded(f"{self._at_work} recordings are with the model, at most {self._max_at_work}")
        self._at_work += 1
        try:
            told, pieces = await self._by_rule.listen(recording)
            transcript = Transcript(told)
            engine = self._model.identity
            answers: list[tuple[float, Written]] = []
            spoken = language
            for piece in pieces:
                written = await self._written(piece, spoken)
                # What the first piece is in is likely for the rest, and short pieces are easily taken for another.
                spoken = spoken or written.language
                answers.append((piece.duration_s, written))
                engine = written.engine if written.engine.degraded_reason or not engine.degraded_reason else engine
                for segment in written.segments:
                    if taken := transcript.take(segment):
                        yield StreamTranscribeResponse(segment=taken)
            yield StreamTranscribeResponse(end=transcript.end(engine, *language_of(answers, language)))
        finally:
            self._at_work -= 1

    async def status(self) -> EngineStatus:
        """Return how the model is."""
        return await self._stand_in.status()

    async def close(self) -> None:
        """End the workers and release the model."""
        await self._by_rule.close()
        await self._stand_in.close()

    async def _written(self, piece: Piece, language: str) -> Written:
        async def asked() -> Written:
            time_s = self._time_s
            if (until := identity.deadline()) is not None:
                time_s = min(time_s, _SHARE_OF_TIME * (until - asyncio.get_running_loop().time()))
            try:
                async with asyncio.timeout(time_s):
                    return await self._model.write(piece, language)
            except TimeoutError as error:
                name = self._model.identity.model
                raise DeadlineExceeded(f"{name} wrote nothing down within {time_s:.1f} s") from error

        async def instead(engine: Engine) -> Written:
            try:
                check_english(language, "language")
            except InvalidField as unknown:
                raise UpstreamUnavailable(f"{engine.degraded_reason}; {unknown.message}") from unknown
            return Written(tuple(await self._by_rule.recognize(piece)), ENGLISH, 0.0, engine)

        return await self._stand_in.answer(asked, instead)
