"""What an engine asks of a model that writes down speech, and what it takes of its answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from loupe.speech.v1.speech_pb2 import Segment
from loupe.type.v1.engine_pb2 import Engine
from servers.kit.models.base import Model
from servers.speech.pieces import SAMPLE_RATE_HZ, Piece

# Whisper's own rule for pieces in which nobody speaks (Radford et al. 2022, section 4.5, with its code's defaults).
_SILENT_PROBABILITY = 0.6
_UNSURE_LOG_PROBABILITY = -1.0
# Of a model's segment, how much must be where a voice was heard: models put words into pauses.
_LEAST_HEARD = 0.25
UNKNOWN_CONFIDENCE = 0.5
"""Of words whose model doesn't say."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a model made of a piece."""

    segments: tuple[Segment, ...]
    """Times from the begin of the recording."""

    language: str
    """BCP 47; empty: the model doesn't say."""

    language_confidence: float
    """0 where the model doesn't say."""

    engine: Engine


class SpeechModel(Model, Protocol):
    """A model that writes down a piece of at most 30 s.

    Cancelling the task that waits for an answer ends the model's work on it.
    """

    async def write(self, piece: Piece, language: str) -> Written:
        """Return what is said in a piece; nobody's words are no segments.

        Raises:
          InvalidField, NotFound, NoCapableModel, PolicyRefused: this will never be answered.
          Overloaded, BudgetExhausted, UpstreamUnavailable, NotReady, DeadlineExceeded: not now.
        """
        ...


def is_made_up(mean_log_probability: float | None, no_speech_probability: float | None) -> bool:
    """Return whether a model itself takes it for likely that nobody said this."""
    if no_speech_probability is None or mean_log_probability is None:
        return False
    return no_speech_probability > _SILENT_PROBABILITY and mean_log_probability < _UNSURE_LOG_PROBABILITY


def confidence_of(mean_log_probability: float | None) -> float:
    """Return a segment's confidence: the geometric mean of its tokens' probabilities."""
    if mean_log_probability is None:
        return UNKNOWN_CONFIDENCE
    return math.exp(min(mean_log_probability, 0.0))


def is_heard(start_s: float, end_s: float, piece: Piece) -> bool:
    """Return whether a voice was heard where a model puts words.

    Args:
      start_s: from the begin of the piece.
      end_s: likewise.
    """
    heard = sum(
        max(0.0, min(end / SAMPLE_RATE_HZ, end_s) - max(start / SAMPLE_RATE_HZ, start_s)) for start, end in piece.spans
    )
    return heard > 0 and heard >= _LEAST_HEARD * (end_s - start_s)


def placed(piece: Piece, text: str, start_s: float, end_s: float, confidence: float) -> Segment:
    """Return a segment of the recording.

    Args:
      start_s: from the begin of the piece, as a model says it; what lies outside of it is brought inside.
      end_s: likewise.
    """
    first, last = _inside(start_s, piece), _inside(end_s, piece)
    segment = Segment(text=text.strip(), confidence=confidence)
    segment.start.FromMilliseconds(round((piece.start_s + first) * 1000))
    segment.end.FromMilliseconds(round((piece.start_s + max(first, last)) * 1000))
    return segment


def _inside(time_s: float, piece: Piece) -> float:
    return min(max(time_s, 0.0), piece.duration_s)


def language_of(answers: Sequence[tuple[float, Written]], named: str) -> tuple[str, float]:
    """Return the language of most of the speech and how sure that is.

    Args:
      answers: the seconds of speech in each piece, and what was made of it.
      named: as the caller named it; empty: not at all.
    """
    if named:
        return named, 1.0
    seconds: dict[str, float] = {}
    sure: dict[str, float] = {}
    for duration_s, written in answers:
        if written.language and written.segments:
            seconds[written.language] = seconds.get(written.language, 0.0) + duration_s
            sure[written.language] = sure.get(written.language, 0.0) + duration_s * written.language_confidence
    if not seconds:
        return "", 0.0
    most = max(seconds, key=lambda language: seconds[language])
    return most, sure[most] / sum(seconds.values())
