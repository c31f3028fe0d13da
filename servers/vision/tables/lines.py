"""Lines of ink words, and the runs of words in them that belong to one cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from servers.vision.geometry import PixelBox, union

# In letter heights.
_SAME_LINE = 0.55
_FLAT = 0.4
_LARGEST_WORD_GAP = 0.95
_USUAL_WORD_GAP = 0.5
_LEAST_COLUMN_GAP, _LARGEST_COLUMN_GAP = 0.85, 1.3
# Between columns stands clearly more than between words.
_WIDER = 1.7
_LEAST_GAPS = 8


@dataclass(frozen=True, slots=True)
class Run:
    """Words of one line that stand together."""

    words: tuple[PixelBox, ...]

    @property
    def box(self) -> PixelBox:
        """Around the words."""
        return union(self.words)


@dataclass(frozen=True, slots=True)
class Line:
    """Words on one height, left to right."""

    words: tuple[PixelBox, ...]

    @property
    def box(self) -> PixelBox:
        """Around the words."""
        return union(self.words)

    def gaps(self) -> Iterator[tuple[float, float]]:
        """Yield (end, start) of the words on both sides of each gap."""
        for left, right in zip(self.words, self.words[1:], strict=False):
            yield left.x_max, right.x_min

    def runs(self, gap_px: float) -> list[Run]:
        """Return the words grouped where gaps are narrower than this."""
        groups: list[list[PixelBox]] = []
        for word in self.words:
            if groups and word.x_min - groups[-1][-1].x_max < gap_px:
                groups[-1].append(word)
            else:
                groups.append([word])
        return [Run(tuple(group)) for group in groups]


def find_lines(words: Sequence[PixelBox], height_px: float) -> list[Line]:
    """Return the words line by line, top to bottom."""
    bands: list[list[PixelBox]] = []
    middle = 0.0
    for word in sorted(words, key=lambda word: (word.center_y, word.x_min)):
        if bands and word.center_y - middle <= _SAME_LINE * height_px:
            bands[-1].append(word)
            middle = float(np.median([other.center_y for other in bands[-1]]))
        else:
            bands.append([word])
            middle = word.center_y
    # Dashes stand for values beside a label; alone they are what is left of a pale rule.
    return [
        Line(tuple(sorted(band, key=lambda word: word.x_min)))
        for band in bands
        if any(word.height > _FLAT * height_px for word in band)
    ]


def column_gap(lines: Sequence[Line], height_px: float) -> float:
    """Return the width in pixels from which a gap in a line parts columns rather than words."""
    gaps = [(start - end) / height_px for line in lines for end, start in line.gaps()]
    between_words = [gap for gap in gaps if 0.2 <= gap <= _LARGEST_WORD_GAP]
    word_gap = float(np.median(between_words)) if len(between_words) >= _LEAST_GAPS else _USUAL_WORD_GAP
    return min(max(_WIDER * word_gap, _LEAST_COLUMN_GAP), _LARGEST_COLUMN_GAP) * height_px
