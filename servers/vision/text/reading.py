"""A line of ink becomes words."""

from __future__ import annotations

from dataclasses import dataclass, replace

from servers.vision.ink import Ink
from servers.vision.text.lines import TextLine, split_at_widest_gap
from servers.vision.text.recogniser import recognise
from servers.vision.text.spacing import words_of
from servers.vision.text.strip import cut_strip
from servers.vision.text.word import Word

# Below this a line is read again in another way, and the more confident reading counts.
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
        return " ".join(word.text for word in self.words)

    @property
    def confidence(self) -> float:
        """Of the recognition, weighted by letters."""
        letters = sum(len(word.text) for word in self.words)
        return sum(word.confidence * len(word.text) for word in self.words) / letters if letters else 0.0


def read(ink: Ink, line: TextLine, angle_deg: int) -> list[Reading]:
    """Return the reading of a line, or of its two halves where these make more sense."""
    whole = read_well(ink, line, angle_deg)
    if whole.confidence >= _DOUBTFUL:
        return [whole]
    # A label and the shape beside it may have been taken for one line.
    parts = split_at_widest_gap(ink, line)
    if len(parts) == 1:
        return [whole]
    halves = [read_well(ink, half, angle_deg) for half in parts]
    return halves if max(half.confidence for half in halves) > whole.confidence + _CLEARLY_BETTER else [whole]


def read_well(ink: Ink, line: TextLine, angle_deg: int, *, digits_only: bool = False) -> Reading:
    """Return a line's reading; where it is doubtful, or one letter alone, that which most of three views agree on."""
    first = read_once(ink, line, angle_deg, digits_only=digits_only)
    if first.confidence >= _DOUBTFUL and len(first.text) > 1:
        return first
    views = [first, *(read_once(ink, line, angle_deg, zoom=zoom, digits_only=digits_only) for zoom in _OTHER_ZOOMS)]
    support = {view.text: sum(other.confidence for other in views if other.text == view.text) for view in views}
    best = max(views, key=lambda view: (support[view.text], view.confidence))
    share = support[best.text] / len(views) / best.confidence if best.words else 1.0
    return replace(best, words=tuple(replace(word, confidence=word.confidence * share) for word in best.words))


def read_once(ink: Ink, line: TextLine, angle_deg: int, *, zoom: float = 1.0, digits_only: bool = False) -> Reading:
    """Return what the recogniser reads in the line's strip."""
    strip = cut_strip(ink, line, angle_deg, zoom)
    return Reading(tuple(words_of(recognise(strip.grey, digits_only=digits_only), strip, angle_deg)), line, angle_deg)
