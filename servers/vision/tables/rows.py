"""Words become rows, and the words of a row become segments parted by wide gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from servers.vision.geometry import PixelBox, union
from servers.vision.text import Word

# Between words of one cell, in letter heights; columns stand further apart. Words of a line are about 0.4 apart.
_WORD_GAP = 1.0


@dataclass(frozen=True, slots=True)
class Segment:
    """Words of a row that stand together."""

    words: tuple[Word, ...]

    @property
    def box(self) -> PixelBox:
        """Around the words."""
        return union(word.box for word in self.words)

    @property
    def text(self) -> str:
        """The words, parted by spaces."""
        return " ".join(word.text for word in self.words)

    @property
    def confidence(self) -> float:
        """Of the recognition, weighted by letters."""
        letters = sum(len(word.text) for word in self.words)
        return sum(word.confidence * len(word.text) for word in self.words) / letters


@dataclass(frozen=True, slots=True)
class Row:
    """One line of print, left to right."""

    segments: tuple[Segment, ...]

    @property
    def box(self) -> PixelBox:
        """Around the segments."""
        return union(segment.box for segment in self.segments)

    @property
    def words(self) -> tuple[Word, ...]:
        """All words, left to right."""
        return tuple(word for segment in self.segments for word in segment.words)


def letter_height(words: Sequence[Word]) -> float:
    """Return the median height of the words' boxes."""
    return float(np.median([word.box.height for word in words]))


def find_rows(words: Sequence[Word]) -> list[Row]:
    """Return the rows of the upright words, top to bottom."""
    upright = sorted((word for word in words if word.angle_deg == 0), key=lambda word: word.box.center_y)
    if not upright:
        return []
    height = letter_height(upright)
    bands: list[list[Word]] = []
    middle = 0.0
    for word in upright:
        if bands and word.box.center_y - middle <= 0.55 * height:
            bands[-1].append(word)
            middle = float(np.median([other.box.center_y for other in bands[-1]]))
        else:
            bands.append([word])
            middle = word.box.center_y
    return [Row(tuple(_segments(band, height))) for band in bands]


def _segments(band: Sequence[Word], height: float) -> list[Segment]:
    groups: list[list[Word]] = []
    for word in sorted(band, key=lambda word: word.box.x_min):
        if groups and word.box.x_min - groups[-1][-1].box.x_max <= _WORD_GAP * height:
            groups[-1].append(word)
        else:
            groups.append([word])
    return [Segment(tuple(group)) for group in groups]
