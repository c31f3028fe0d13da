"""Where a net's rules run, also pale ones: a cell's side is a line, light or dark, or the edge of a band.

Noise and compression break a thin pale rule into pieces that no mask of dark pixels holds together. Along a whole side
of a cell three quarters of its pixels still tell it, more than the stem of a letter takes of a row.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_LEAST_STEP = 3.0  # grey levels that a side stands out by
_LEAST_EDGE = 6.0  # grey levels between the papers on both sides of it
_SEARCHED_PX = 2  # to both sides of where a side is thought to be
_APART_PX = 3  # a line from its paper
_WHOLE = 75  # per cent of a side's pixels that have to show it
_MOST_SEGMENTS = 0.8  # of the cells along it, in which a new rule has to show
_INSET_PX = 1  # at both ends of a side, where others cross
_CLEAR = 0.9  # letter heights that a new rule stands off the known ones


class Sides:
    """The picture of a net, asked for lines from top to bottom; for others it is given turned."""

    def __init__(self, rgb: NDArray[np.uint8]) -> None:
        """Look at a part of a picture, uint8 [h, w, 3]."""
        grey = rgb.astype(np.float32).mean(axis=2)
        padded = np.pad(grey, ((0, 0), (_APART_PX, _APART_PX)), mode="edge")
        left, right = padded[:, : -2 * _APART_PX], padded[:, 2 * _APART_PX :]
        # Of a line both sides differ from it the same way; the edge of a band has two papers.
        darker, lighter = np.minimum(left, right) - grey, grey - np.maximum(left, right)
        self._line = np.where(darker > 0, darker, np.where(lighter > 0, -lighter, 0.0))
        self._edge = right - left

    def is_drawn(self, x: int, top: int, bottom: int) -> bool:
        """Tell whether a side at about x, from top to bottom, is drawn."""
        x0, x1 = max(0, x - _SEARCHED_PX), x + _SEARCHED_PX + 1
        return bool(self._strength(top, bottom)[x0:x1].max(initial=0.0) >= 1.0)

    def more(self, known: Sequence[int], across: Sequence[int], height_px: float) -> list[int]:
        """Return the known places of rules with those of others, in order.

        Args:
          known: x of rules.
          across: y of the rules that cross them.
          height_px: of the letters.
        """
        spans = [(a, b) for a, b in itertools.pairwise(across) if b - a >= 2 * height_px]
        if not spans:
            return list(known)
        shares = np.mean([self._strength(a, b, lines_only=True) >= 1.0 for a, b in spans], axis=0)
        strengths = np.mean([np.minimum(self._strength(a, b, lines_only=True), 5.0) for a, b in spans], axis=0)
        found = list(known)
        for x in np.argsort(-strengths, kind="stable").tolist():
            if strengths[x] <= 0:
                break
            is_clear = all(abs(x - other) >= _CLEAR * height_px for other in found)
            if shares[x] >= _MOST_SEGMENTS and is_clear:
                found.append(x)
        return sorted(found)

    def _strength(self, top: int, bottom: int, *, lines_only: bool = False) -> NDArray[np.float64]:
        """Return for each x how strongly a line stands out between two rules; 1 is just enough."""
        rows = slice(top + _INSET_PX, max(bottom - _INSET_PX, top + _INSET_PX + 1))
        line = _lasting(self._line[rows]) / _LEAST_STEP
        if lines_only:
            return line
        return np.maximum(line, _lasting(self._edge[rows]) / _LEAST_EDGE)


def _lasting(levels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return for each column by how much most of its pixels differ at least, all the same way."""
    low, high = np.percentile(levels, (100 - _WHOLE, _WHOLE), axis=0)
    return np.asarray(np.maximum(np.maximum(low, -high), 0.0), np.float64)
