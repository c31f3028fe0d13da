"""Words to segments: which stretches are recognised together, and what is left out because nobody may have said it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loupe.speech.v1.speech_pb2 import Segment
from servers.speech.pieces import SAMPLE_RATE_HZ
from servers.speech.recognizer import SpokenWord

Spans = Sequence[tuple[int, int]]
# Words are told apart by those around them, so neighbours are recognised together; but a listener waits for them.
_TOGETHER_S = 15.0
_LONGEST_PAUSE_S = 1.2
# Measured 2026-11-21: of what people said, words fill 0.6 and more of the spans with a mean posterior of 0.47 and more;
# in noise at 15 dB 0.36 and 0.27, never both. Of cries that pass for voices the recogniser makes noises with few words
# in between, at most 0.35 and 0.27.
_LEAST_SHARE, _LEAST_CONFIDENCE = 0.3, 0.2
_FAIR_SHARE, _FAIR_CONFIDENCE = 0.45, 0.4


def together(spans: Spans) -> Iterator[Spans]:
    """Yield neighbouring spans, in samples, that are recognised in one go."""
    group: list[tuple[int, int]] = []
    for start, end in spans:
        if group and (
            end - group[0][0] > _TOGETHER_S * SAMPLE_RATE_HZ or start - group[-1][1] > _LONGEST_PAUSE_S * SAMPLE_RATE_HZ
        ):
            yield group
            group = []
        group.append((start, end))
    if group:
        yield group


def segments_of(words: Sequence[SpokenWord], spans: Spans, at: int) -> list[Segment]:
    """Return one segment for each span in which there are words; none where all of them are doubtful.

    Args:
      words: of all the spans; their times count from the begin of the first.
      spans: in samples from where `at` is.
      at: in samples from the begin of the recording.
    """
    if not words:
        return []
    spoken_s = sum(end - start for start, end in spans) / SAMPLE_RATE_HZ
    share = sum(word.end_s - word.start_s for word in words) / spoken_s
    confidence = sum(word.confidence for word in words) / len(words)
    if share < _LEAST_SHARE or confidence < _LEAST_CONFIDENCE:
        return []
    if share < _FAIR_SHARE and confidence < _FAIR_CONFIDENCE:
        return []
    first = spans[0][0]
    of_span: list[list[SpokenWord]] = [[] for _ in spans]
    for word in words:
        middle = first + (word.start_s + word.end_s) / 2 * SAMPLE_RATE_HZ
        of_span[_nearest(middle, spans)].append(word)
    return [_segment(said, (at + first) / SAMPLE_RATE_HZ) for said in of_span if said]


def _nearest(middle: float, spans: Spans) -> int:
    def distance(number: int) -> float:
        start, end = spans[number]
        return max(start - middle, middle - end, 0.0)

    return min(range(len(spans)), key=distance)


def _segment(words: Sequence[SpokenWord], at_s: float) -> Segment:
    confidence = sum(word.confidence for word in words) / len(words)
    segment = Segment(text=" ".join(word.text for word in words), confidence=confidence)
    segment.start.FromMilliseconds(round((at_s + words[0].start_s) * 1000))
    segment.end.FromMilliseconds(round((at_s + words[-1].end_s) * 1000))
    for word in words:
        told = segment.words.add(text=word.text, confidence=word.confidence)
        told.start.FromMilliseconds(round((at_s + word.start_s) * 1000))
        told.end.FromMilliseconds(round((at_s + word.end_s) * 1000))
    return segment
