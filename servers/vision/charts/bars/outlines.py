"""Lines drawn around bars and under their feet: a bar reaches to the middle of its line, not to where its fill ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.picture.page import Lab

_UNLIKE = 25.0  # colour difference of a line from the fill and from what is beyond it
_LIKE_PAPER = 10.0
_MOSTLY = 0.6  # of the bars that have it, so that a grid line passing by is none
_SOFT_PX = 1  # rows of mixed colours between a fill and its line


@dataclass(frozen=True, slots=True)
class Outlines:
    """How far bars reach into the lines around them."""

    low: dict[tuple[int, int], float]
    """By lane and first row of a fill: pixels beyond it, where a line is."""
    high: dict[tuple[int, int], float]
    """By lane and the row after its last."""

    def beyond(self, lane: int, edge: int, step: int) -> float | None:
        """Return how far a bar goes on over an edge of its fill, None where no line is."""
        return (self.low if step < 0 else self.high).get((lane, edge))

    def foot(self, growth: int) -> float:
        """Return how far the lines at the bars' feet reach, 0 where there are none."""
        at_foot = list((self.high if growth < 0 else self.low).values())
        return float(np.median(at_foot)) if at_foot else 0.0


def find_outlines(
    lanes: Sequence[Sequence[tuple[Lab, int, int, NDArray[np.float32]]]],
    papers: Sequence[NDArray[np.float32]],
    widest_px: float,
) -> Outlines:
    """Return the lines at the outer ends of bars, where most of them have one.

    Args:
      lanes: for each lane, in order along, its bars as (colours of the lane [along, across, 3], first row, row after
        the last, colour of the fill).
      widest_px: of a line.
    """
    low, high = {}, {}
    for lane, bars in enumerate(lanes):
        if not bars:
            continue
        strip, first, _, fill = bars[0]
        low[lane, first] = _line(strip, first - 1, -1, fill, papers, widest_px)
        strip, _, last, fill = bars[-1]
        high[lane, last] = _line(strip, last, 1, fill, papers, widest_px)
    return Outlines(_kept(low), _kept(high))


def _kept(found: dict[tuple[int, int], float | None]) -> dict[tuple[int, int], float]:
    drawn = {key: reach for key, reach in found.items() if reach is not None}
    return drawn if drawn and len(drawn) >= _MOSTLY * len(found) else {}


def _line(
    strip: Lab,
    edge: int,
    step: int,
    fill: NDArray[np.float32],
    papers: Sequence[NDArray[np.float32]],
    widest_px: float,
) -> float | None:
    """Return how far the middle of a line is from the edge of a fill, None where there is no line with paper beyond."""
    rows = range(edge, edge + step * (int(widest_px) + 2 + _SOFT_PX), step)
    strengths = []
    for row in rows:
        if not 0 <= row < strip.shape[0]:
            return None
        color = np.median(strip[row], axis=0)
        paper = min(float(np.linalg.norm(color - paper)) for paper in papers)
        if paper < _LIKE_PAPER:
            break
        strengths.append(min(paper, float(np.linalg.norm(color - fill))))
    else:
        return None
    strong = [index for index, strength in enumerate(strengths) if strength > _UNLIKE]
    if not strong or strong[0] > _SOFT_PX or len(strengths) - strong[-1] > 1 + _SOFT_PX:
        return None
    return (strong[0] + strong[-1] + 1) / 2
