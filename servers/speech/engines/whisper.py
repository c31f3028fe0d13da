"""Whisper in this process, through transformers: for a machine without a model server.

torch is imported when the model starts; without the extra `transformers` that fails with what to install.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from loupe.router.v1.router_pb2 import RouteDecision, Usage
from loupe.type.v1.engine_pb2 import Engine, EngineStatus
from servers.kit import spending
from servers.kit.errors import Overloaded, UpstreamUnavailable
from servers.kit.models.in_process import InProcess, LocalModel
from servers.speech.engines.listening import Written, confidence_of, is_heard, is_made_up, placed
from servers.speech.pieces import Piece

if TYPE_CHECKING:  # both import torch
    from servers.kit.models.transformers_loading import Place
    from servers.speech.engines.whisper_decoding import Decoded, LoadedWhisper


class WhisperModel:
    """A `SpeechModel` whose weights are in this process. It writes down one piece after the other."""

    def __init__(self, model: LocalModel) -> None:
        self._model = model
        self._weights: InProcess[LoadedWhisper] = InProcess(model, self._load)
        self._waiting = 0

    @property
    def identity(self) -> Engine:
        """The model's name and, once it was started, the revision that was pulled."""
        return self._weights.identity

    async def start(self) -> None:
        """Load the model, or where it is lazy see that it could be."""
        await self._weights.start()

    async def write(self, piece: Piece, language: str) -> Written:
        """Return what is said in a piece; cancelled, it stops before the next token."""
        if self._waiting > self._model.queue_size:
            raise Overloaded(f"{self._waiting} pieces are with {self._model.name} already")
        cost = spending.asking()
        stopped = threading.Event()
        self._waiting += 1
        try:
            loaded = await self._weights.ready()
            made = await self._weights.run(lambda: self._decoded(loaded, piece, language, stopped))
        finally:
            stopped.set()
            self._waiting -= 1
        spending.told(cost, Usage(audio_s=piece.duration_s), RouteDecision())
        segments = tuple(
            placed(piece, one.text, one.start_s, one.end_s, confidence_of(one.mean_log_probability))
            for one in made.said
            if is_heard(one.start_s, one.end_s, piece)
            and not is_made_up(one.mean_log_probability, made.no_speech_probability)
        )
        return Written(segments, made.language, made.language_confidence, self.identity)

    @property
    def in_work(self) -> int:
        """Pieces that are being written down or wait for it."""
        return self._waiting

    async def status(self) -> EngineStatus:
        """Return whether the model is loaded, and its memory."""
        return await self._weights.status("at the first recording")

    async def close(self) -> None:
        """End every piece and let go of the weights."""
        await self._weights.close()

    def _load(self, place: Place) -> LoadedWhisper:
        from servers.speech.engines import whisper_decoding

        return whisper_decoding.load(self._model.folder, place)

    def _decoded(self, loaded: Any, piece: Piece, language: str, stopped: threading.Event) -> Decoded:
        from servers.speech.engines import whisper_decoding

        def must_stop() -> bool:
            return stopped.is_set() or self._weights.is_closed

        try:
            return whisper_decoding.decode(loaded, piece.samples, language, must_stop)
        except whisper_decoding.Stopped as error:
            raise UpstreamUnavailable(f"the model {self._model.name} was closed") from error
        except (MemoryError, RuntimeError) as error:
            # torch has a class of its own for accelerators only.
            if isinstance(error, MemoryError) or "memory" in str(error):
                raise UpstreamUnavailable("the model ran out of memory for this piece") from error
            raise
