"""What holds of every transcript: segments in order, apart from each other, within the recording."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.duration_pb2 import Duration

from loupe.speech.v1.speech_pb2 import (
    NoSpeech,
    NoSpeechReason,
    Segment,
    StreamTranscribeResponse,
    TranscribeEnd,
    TranscribeResponse,
)
from loupe.type.v1.engine_pb2 import Engine
from servers.kit import spending


class Transcript:
    """Takes segments as they are recognised."""

    def __init__(self, told: TranscribeEnd) -> None:
        """Begin with what was recorded and, where that is known already, why there will be no segment."""
        self._told = told
        self._count = 0
        self._until_ms = 0
        self._end_ms = told.audio.duration.ToMilliseconds()

    def take(self, segment: Segment) -> Segment | None:
        """Return the segment with its number, its times put right; None where nothing is left of it."""
        text = " ".join(segment.text.split())
        if not text:
            return None
        start, end = self._within(segment.start, self._until_ms), self._within(segment.end, self._until_ms)
        if end <= start:
            return None
        self._count += 1
        taken = Segment(id=f"s{self._count}", text=text, confidence=_probability(segment.confidence))
        _set(taken.start, start)
        _set(taken.end, end)
        until = start
        for word in segment.words:
            word_start = min(self._within(word.start, until), end)
            until = min(self._within(word.end, word_start), end)
            kept = taken.words.add(text=word.text.strip(), confidence=_probability(word.confidence))
            _set(kept.start, word_start)
            _set(kept.end, until)
        self._until_ms = end
        return taken

    def end(self, engine: Engine, language: str, language_confidence: float) -> TranscribeEnd:
        """Return the last event."""
        end = TranscribeEnd(engine=engine, cost=spending.spent())
        if self._told.HasField("audio"):
            end.audio.CopyFrom(self._told.audio)
        if self._count:
            end.language = language
            end.language_confidence = _probability(language_confidence)
        else:
            end.no_speech.CopyFrom(self._told.no_speech if self._told.HasField("no_speech") else no_words())
        return end

    def _within(self, time: Duration, earliest_ms: int) -> int:
        return max(min(time.ToMilliseconds(), self._end_ms), earliest_ms)


def as_response(events: Sequence[StreamTranscribeResponse]) -> TranscribeResponse:
    """Return a whole stream in one message; its last event is `end`."""
    end = events[-1].end
    response = TranscribeResponse(engine=end.engine, cost=end.cost)
    if end.HasField("audio"):
        response.audio.CopyFrom(end.audio)
    if end.HasField("no_speech"):
        response.no_speech.CopyFrom(end.no_speech)
        return response
    response.transcript.language = end.language
    response.transcript.language_confidence = end.language_confidence
    response.transcript.segments.extend(event.segment for event in events[:-1])
    return response


def no_words() -> NoSpeech:
    """Return that a voice may be there, and no word of it."""
    return NoSpeech(
        reason=NoSpeechReason.NO_SPEECH_REASON_NO_WORDS,
        detail="there is what sounds like a voice, and no word of it was recognised well enough to be told",
    )


def no_audio() -> NoSpeech:
    """Return that there is nothing to hear."""
    return NoSpeech(reason=NoSpeechReason.NO_SPEECH_REASON_NO_AUDIO, detail="the file has no sound track")


def _set(duration: Duration, milliseconds: int) -> None:
    duration.FromMilliseconds(milliseconds)


def _probability(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), 3) if value == value else 0.0
