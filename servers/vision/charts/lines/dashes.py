"""Dash patterns: the lengths of a line's strokes and of the paper between them, and how alike two patterns are."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from servers.vision.charts.axes.calibration import Floats
from servers.vision.charts.picture.page import Mask

_LONG_PX = 48.0  # a stroke this long may be part of a solid line


@dataclass(frozen=True, slots=True)
class Pattern:
    """How a line is dashed, in pixels along it."""

    short: float
    """Of its strokes, the short ones: the dots of a dash-dotted line."""
    long: float
    gap: float
    """0 for a solid line."""

    def distance_to(self, other: Pattern) -> float:
        """Return how unlike two patterns are; below 0.5 they are alike."""
        if (self.gap == 0.0) != (other.gap == 0.0):
            return 3.0
        pairs = ((self.short, other.short), (self.long, other.long), (self.gap, other.gap))
        return float(sum(abs(np.log((one + 1.0) / (two + 1.0))) for one, two in pairs))


def pattern_of(inked: Mask, step: Floats, *, ends: bool) -> Pattern:
    """Return the pattern of a course.

    Args:
      inked: bool [n], by column.
      step: float64 [n], the line's length in each column, pixels.
      ends: whether the first and last strokes are whole, as in a key.
    """
    if not len(inked):
        return Pattern(0.0, 0.0, 0.0)
    edges = np.flatnonzero(np.diff(inked.astype(np.int8))) + 1
    bounds = [0, *edges.tolist(), len(inked)]
    lengths = [float(step[a:b].sum()) for a, b in itertools.pairwise(bounds)]
    strokes = [length for length, begin in zip(lengths, bounds[:-1], strict=True) if inked[begin]]
    gaps = [length for length, begin in zip(lengths, bounds[:-1], strict=True) if not inked[begin]]
    if len(strokes) > 3 and not ends:
        strokes = strokes[1:-1]
    total = sum(strokes) + sum(gaps)
    if not gaps or not strokes or sum(gaps) < 0.06 * total:
        return Pattern(_LONG_PX, _LONG_PX, 0.0)
    strokes = [min(length, _LONG_PX) for length in strokes]
    return Pattern(float(np.quantile(strokes, 0.25)), float(np.quantile(strokes, 0.75)), float(np.median(gaps)))
