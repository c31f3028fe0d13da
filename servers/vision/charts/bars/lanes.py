"""The lanes that bars stand in, side by side, and the baseline they stand on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from servers.vision.charts.bars.frame import Frame
from servers.vision.charts.bars.rectangles import Rect

_HOLE = (0.75, 1.35)  # of the thickness: what may have held a bar too short or too worn to be seen as one


def find_baseline(rects: Sequence[Rect], frame: Frame, within_px: float) -> tuple[float, list[Rect]]:
    """Return the coordinate along which most lanes have an edge, and the bars there.

    Of several that serve as many lanes the lowest counts: stacks of equal parts share more edges than their foot. Where
    bars stand on both sides of a line it is the line's middle.
    """
    lanes = find_lanes(rects, frame)
    home = np.array([lane_of(frame.across(rect.box), lanes) for rect in rects])
    ends = np.array([frame.along(rect.box) for rect in rects])
    best: tuple[tuple[int, float], list[int]] | None = None
    for edge in sorted({edge for rect in rects for edge in frame.along(rect.box)}):
        touching = np.flatnonzero(np.abs(ends - edge).min(axis=1) <= within_px)
        key = (len(np.unique(home[touching])), -frame.growth * edge)
        if best is None or key > best[0]:
            best = (key, touching.tolist())
    if best is None:
        return 0.0, []
    edge = -frame.growth * best[0][1]
    sides = [[e for e in ends[best[1], side] if abs(e - edge) <= within_px] for side in (0, 1)]
    return float(np.mean([np.median(side) for side in sides if side])), [rects[index] for index in best[1]]


def overlaps(across: tuple[float, float], lane: tuple[float, float]) -> bool:
    """Tell whether two extents share more than half of the narrower one."""
    return min(across[1], lane[1]) - max(across[0], lane[0]) > 0.5 * min(across[1] - across[0], lane[1] - lane[0])


def lane_of(across: tuple[float, float], lanes: Sequence[tuple[float, float]]) -> int:
    """Return the lane the extent shares most with."""
    extents = np.array(lanes)
    return int(np.argmax(np.minimum(across[1], extents[:, 1]) - np.maximum(across[0], extents[:, 0])))


def find_lanes(rects: Sequence[Rect], frame: Frame) -> list[tuple[float, float]]:
    """Return the extents across that rectangles share, in order."""
    lanes: list[list[tuple[float, float]]] = []
    for lo, hi in sorted(frame.across(rect.box) for rect in rects):
        if lanes:
            a, b = np.median(np.array(lanes[-1]), axis=0)
            if min(hi, b) - max(lo, a) > 0.5 * min(hi - lo, b - a):
                lanes[-1].append((lo, hi))
                continue
        lanes.append([(lo, hi)])
    return [(float(np.median([lo for lo, _ in lane])), float(np.median([hi for _, hi in lane]))) for lane in lanes]


def holes_between(lanes: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the places between neighbouring lanes where one more has just room."""
    half = float(np.median([hi - lo for lo, hi in lanes])) / 2
    gaps = ((before[1], after[0]) for before, after in itertools.pairwise(lanes))
    return [
        ((lo + hi) / 2 - half, (lo + hi) / 2 + half)
        for lo, hi in gaps
        if _HOLE[0] <= (hi - lo) / (2 * half) <= _HOLE[1]
    ]
