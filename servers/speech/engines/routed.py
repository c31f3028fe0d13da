"""Speech models behind the router: Whisper on vLLM and others that answer OpenAI-compatible transcriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.protobuf.duration_pb2 import Duration

from loupe.router.v1.router_pb2 import Audio, TranscribedSegment, TranscribedWord, TranscribeRequest, TranscribeResponse
from loupe.router.v1.router_service_pb2_grpc import RouterServiceStub
from loupe.speech.v1.speech_pb2 import Segment
from loupe.type.v1.engine_pb2 import Engine, EngineStatus
from servers.kit import identity, spending
from servers.kit.models.routed import RoutedModel
from servers.kit.status import from_rpc_error
from servers.speech.engines.listening import Written, confidence_of, is_heard, is_made_up, placed
from servers.speech.pieces import SAMPLE_RATE_HZ, Piece

if TYPE_CHECKING:  # the asynchronous stubs are types only
    from loupe.router.v1.router_service_pb2_grpc import RouterServiceAsyncStub

_JOB_PREFIX = "job_"


class RoutedSpeech:
    """A `SpeechModel` that the router chooses and reaches: a model or a route of its file, by name."""

    def __init__(self, channel: grpc.aio.Channel, model: str) -> None:
        self._router: RouterServiceAsyncStub = RouterServiceStub(channel)
        self._model = RoutedModel(channel, model)

    @property
    def identity(self) -> Engine:
        """The name that the router is asked for; the revision is known with each answer."""
        return self._model.identity

    async def start(self) -> None:
        """Return at once: a router that is down now may be up at the first recording."""

    async def write(self, piece: Piece, language: str) -> Written:
        """Return what is said in a piece, on the router's record."""
        request = TranscribeRequest(
            model=self.identity.model, audio=Audio(content=piece.wav()), language=language, wants_words=True
        )
        # The orchestrator makes its calls for a job under the job's name.
        if identity.request_id().startswith(_JOB_PREFIX):
            request.job_id = identity.request_id()
        cost = spending.asking()
        call = self._router.Transcribe(request)
        try:
            made = await call
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        finally:
            call.cancel()  # cancelled before its interceptors are through, a call would go on, and be paid for
        spending.told(cost, made.usage, made.decision)
        return Written(tuple(segments_of(made, piece)), made.language or language, 0.0, self._engine(made))

    async def status(self) -> EngineStatus:
        """Return what the router says of the model, or that it says nothing."""
        return await self._model.status()

    async def close(self) -> None:
        """Return at once: the channel is the mesh's."""

    def _engine(self, made: TranscribeResponse) -> Engine:
        engine = self.identity
        if made.decision.model:
            engine.model = f"{made.decision.provider}/{made.decision.model}"
        engine.revision = made.decision.revision
        return engine


def segments_of(made: TranscribeResponse, piece: Piece) -> list[Segment]:
    """Return what a provider wrote down as segments of the recording, less what nobody said."""
    if any(one.end.ToMilliseconds() > one.start.ToMilliseconds() for one in made.segments):
        said = [one for one in made.segments if _is_said(one, piece)]
        return [_segment(one, [word for word in made.words if _is_of(word, one)], piece) for one in said]
    # A provider without times: its words are somewhere in the piece's speech.
    whole = TranscribedSegment(text=made.text)
    whole.start.FromMilliseconds(_milliseconds(piece.spans[0][0]))
    whole.end.FromMilliseconds(_milliseconds(piece.spans[-1][1]))
    return [_segment(whole, list(made.words), piece)] if made.text.strip() else []


def _is_said(one: TranscribedSegment, piece: Piece) -> bool:
    log_probability = one.mean_log_probability if one.HasField("mean_log_probability") else None
    no_speech = one.no_speech_probability if one.HasField("no_speech_probability") else None
    if is_made_up(log_probability, no_speech):
        return False
    return is_heard(_seconds(one.start), _seconds(one.end), piece)


def _segment(one: TranscribedSegment, words: list[TranscribedWord], piece: Piece) -> Segment:
    confidence = confidence_of(one.mean_log_probability if one.HasField("mean_log_probability") else None)
    segment = placed(piece, one.text, _seconds(one.start), _seconds(one.end), confidence)
    for word in words:
        # A word's own probability is told by no provider: it has its segment's.
        said = placed(piece, word.text, _seconds(word.start), _seconds(word.end), confidence)
        segment.words.add(text=said.text, start=said.start, end=said.end, confidence=confidence)
    return segment


def _is_of(word: TranscribedWord, segment: TranscribedSegment) -> bool:
    middle = (_seconds(word.start) + _seconds(word.end)) / 2
    return _seconds(segment.start) <= middle <= _seconds(segment.end)


def _seconds(duration: Duration) -> float:
    return duration.ToMilliseconds() / 1000


def _milliseconds(samples: int) -> int:
    return round(samples * 1000 / SAMPLE_RATE_HZ)
