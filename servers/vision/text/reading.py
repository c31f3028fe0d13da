"""A line of ink becomes words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from servers.vision.ink import Ink
from servers.vision.text.lines import TextLine, split_at_widest_gap
from servers.vision.text.recogniser import recognise
from servers.vision.text.spacing import words_of
from servers.vision.text.strip import cut_strip
from servers.vision.text.word import Word

# Below this a line is read again in other ways.
_DOUBTFUL = 0.8
_CLEARLY_BETTER = 0.1
_OTHER_ZOOMS = (0.8, 1.25)


@dataclass(frozen=True, slots=True)
class Reading:
    """The words of one line."""

    words: tuple[Word, ...]
    line: TextLine
    angle_deg: int
    is_of_row: bool = False
    """One of several letters that stand alone in a row and were read together."""

    @property
    def text(self) -> str:
        """The words, parted by spaces."""
        return text_of(self.words)

    @property
    def confidence(self) -> float:
        """Of the recognition, weighted by letters."""
        return confidence_of(self.words)


def text_of(words: Sequence[Word]) -> str:
    """Return the words, parted by spaces."""
    return " ".join(word.text for word in words)


def confidence_of(words: Sequence[Word]) -> float:
    """Return the confidence of words, weighted by letters; 0 of none."""
    letters = sum(len(word.text) for word in words)
    return sum(word.confidence * len(word.text) for word in words) / letters if letters else 0.0


def read(ink: Ink, line: TextLine, angle_deg: int) -> list[Reading]:
    """Return the reading of a line, or of its two halves where these make more sense."""
    whole = _read_well(ink, line, angle_deg)
    if whole.confidence >= _DOUBTFUL:
        return [whole]
    # A label and the shape beside it may have been taken for one line.
    parts = split_at_widest_gap(ink, line)
    if len(parts) == 1:
        return [whole]
    halves = [_read_well(ink, half, angle_deg) for half in parts]
    return halves if max(half.confidence for half in halves) > whole.confidence + _CLEARLY_BETTER else [whole]


def read_once(ink: Ink, line: TextLine, angle_deg: int) -> Reading:
    """Return what the recogniser reads in the line's strip at first."""
    return Reading(tuple(_view(ink, line, angle_deg, 1.0)), line, angle_deg)


def agreed(view: Callable[[float], list[Word]]) -> list[Word]:
    """Return the words of a line at the zoom that reads best.

    Args:
      view: reads the line at a zoom.
    A clear first view is taken as it is. Where it is doubtful, or one letter alone, three are taken: what most agree on
    is returned, with the confidence that they give it on average.
    """
    first = view(1.0)
    if confidence_of(first) >= _DOUBTFUL and len(text_of(first)) > 1:
        return first
    views = [first, *map(view, _OTHER_ZOOMS)]
    texts = [text_of(words) for words in views]
    support = [
        sum(confidence_of(other) for other, seen in zip(views, texts, strict=True) if seen == text) for text in texts
    ]
    best = max(range(len(views)), key=lambda index: (support[index], confidence_of(views[index])))
    confidence = confidence_of(views[best])
    share = support[best] / len(views) / confidence if confidence else 1.0
    return [replace(word, confidence=word.confidence * share) for word in views[best]]


def _read_well(ink: Ink, line: TextLine, angle_deg: int) -> Reading:
    return Reading(tuple(agreed(lambda zoom: _view(ink, line, angle_deg, zoom))), line, angle_deg)


def _view(ink: Ink, line: TextLine, angle_deg: int, zoom: float) -> list[Word]:
    strip = cut_strip(ink, line, angle_deg, zoom)
    return words_of(recognise(strip.grey), strip, angle_deg)
