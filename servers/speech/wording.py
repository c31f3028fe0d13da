"""Words to a segment: what is told, and what is left out because nobody may have said it."""

from __future__ import annotations

from collections.abc import Sequence

from loupe.speech.v1.speech_pb2 import Segment
from servers.speech.pieces import SAMPLE_RATE_HZ
from servers.speech.recognizer import SpokenWord

# Set on the clips and sounds that servers.speech.voice names: see docs/speech.md.
_LEAST_CONFIDENCE = 0.0


def segment_of(words: Sequence[SpokenWord], start: int) -> Segment | None:
    """Return a segment of words, its number left to the transcript; None where none is sure enough.

    Args:
      start: where the words' times count from, in samples from the begin of the recording.
    """
    if not words:
        return None
    confidence = sum(word.confidence for word in words) / len(words)
    if confidence < _LEAST_CONFIDENCE:
        return None
    at_s = start / SAMPLE_RATE_HZ
    segment = Segment(text=" ".join(word.text for word in words), confidence=confidence)
    segment.start.FromMilliseconds(round((at_s + words[0].start_s) * 1000))
    segment.end.FromMilliseconds(round((at_s + words[-1].end_s) * 1000))
    for word in words:
        told = segment.words.add(text=word.text, confidence=word.confidence)
        told.start.FromMilliseconds(round((at_s + word.start_s) * 1000))
        told.end.FromMilliseconds(round((at_s + word.end_s) * 1000))
    return segment
