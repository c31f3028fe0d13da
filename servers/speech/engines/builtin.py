"""The builtin engine: PocketSphinx in worker processes, English only. It downloads nothing and is deterministic."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from importlib.util import find_spec

from loupe.speech.v1.speech_pb2 import Segment, StreamTranscribeResponse, TranscribeEnd
from loupe.type.v1.engine_pb2 import Engine, EngineState, EngineStatus
from servers.kit.errors import NotReady
from servers.speech.languages import ENGLISH, check_english
from servers.speech.pieces import Piece
from servers.speech.pool import WorkerPool, WorkerSpec
from servers.speech.revision import REVISION
from servers.speech.transcript import Transcript

NAME = "builtin"
_NEEDED = ("av", "numpy", "pocketsphinx")


class BuiltinEngine:
    """Listens to each recording in a process of its own kind, so that none can block or take down the server."""

    def __init__(
        self, spec: WorkerSpec, *, workers: int, max_waiting: int, max_step_s: float, worker_idle_s: float
    ) -> None:
        self._pool = WorkerPool(
            spec, workers=workers, max_waiting=max_waiting, max_step_s=max_step_s, idle_s=worker_idle_s
        )

    @property
    def engine(self) -> Engine:
        """What it is called in answers."""
        return Engine(name=NAME, revision=REVISION)

    async def start(self) -> None:
        """See that workers could start; they do with the first recording."""
        if missing := [name for name in _NEEDED if find_spec(name) is None]:
            raise NotReady(f"listening needs the extra speech: there is no {', '.join(missing)}")

    async def transcribe(self, recording: bytes, language: str) -> AsyncGenerator[StreamTranscribeResponse, None]:
        """Yield segments, then the end; the same bytes give the same answer."""
        check_english(language, "language")
        async with aclosing(self._pool.run("transcribe", recording)) as frames:
            told = TranscribeEnd.FromString((await anext(frames)).payload)
            transcript = Transcript(told)
            async for frame in frames:
                # An empty frame is a stretch in which no word was sure.
                if frame.payload and (segment := transcript.take(Segment.FromString(frame.payload))):
                    yield StreamTranscribeResponse(segment=segment)
        yield StreamTranscribeResponse(end=transcript.end(self.engine, ENGLISH, 1.0 if language else 0.0))

    async def listen(self, recording: bytes) -> tuple[TranscribeEnd, list[Piece]]:
        """Return what was recorded and the speech in it, piece by piece. Raises as `transcribe`."""
        async with aclosing(self._pool.run("listen", recording)) as frames:
            told = TranscribeEnd.FromString((await anext(frames)).payload)
            return told, [Piece.unpack(frame.payload) async for frame in frames if frame.payload]

    async def recognize(self, piece: Piece) -> list[Segment]:
        """Return the segments of a piece that was cut out before."""
        async with aclosing(self._pool.run("recognize", piece.pack())) as frames:
            return [Segment.FromString(frame.payload) async for frame in frames if frame.payload]

    async def status(self) -> EngineStatus:
        """Return that it answers."""
        return EngineStatus(engine=self.engine, state=EngineState.ENGINE_STATE_READY)

    async def close(self) -> None:
        """End the workers."""
        await self._pool.close()
