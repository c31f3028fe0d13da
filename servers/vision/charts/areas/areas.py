"""Filled areas: fills that reach across the plot without a break and whose upper edge is a course."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from servers.vision.charts.lines.strokes import Stroke
from servers.vision.charts.picture.colors import PANEL_CHROMA, PANEL_LIGHTNESS, Palette
from servers.vision.charts.picture.page import Mask
from servers.vision.geometry import PixelBox

_LEAST_SPAN = 0.5  # of the plot's width without a break
_LEAST_SHARE = 0.03  # of the plot's pixels
_SLOPING = 0.15  # least share of columns in which the edge rises or falls: bars' tops are level
# A gentle course changes seldom, by a pixel or two at a time; what steps from bar to bar mostly jumps.
_GENTLY_SLOPING, _GENTLE_PX, _MOSTLY_GENTLE = 0.04, 2.0, 0.8
_JUMP_PX, _LEVEL, _IN_JUMPS, _FEWEST_JUMPS = 12.0, 0.5, 0.7, 6
_ON_TOP_PX = 4.0
_STRAIGHT_PX = 1.5


@dataclass(frozen=True, slots=True)
class Area:
    """One fill between two courses."""

    fill: int
    top: Stroke
    bottom: Stroke


def find_areas(palette: Palette, box: PixelBox, fills: Sequence[int], *, hide: Mask) -> list[Area]:
    """Return the areas in the plot, the lowest first; empty where fills are bars or specks.

    Args:
      fills: those that may be marks.
      hide: pixels of words and legends, bool [h, w].
    """
    x0, y0, x1, y1 = (round(edge) for edge in box)
    labels = palette.labels[y0:y1, x0:x1]
    hidden = hide[y0:y1, x0:x1]
    found: list[Area] = []
    level: list[Area] = []
    for fill in fills:
        mask = labels == fill
        if mask.sum() < _LEAST_SHARE * mask.size:
            continue
        courses = _edges(mask, hidden)
        if courses is None:
            continue
        begin, top, bottom = courses
        if len(top) < _LEAST_SPAN * (x1 - x0):
            continue
        color = palette.fills[fill]
        area = Area(
            fill,
            Stroke(color.lab, color.rgb, x0 + begin, top + y0, top + y0, top + y0, 1.0, ()),
            Stroke(color.lab, color.rgb, x0 + begin, bottom + y0, bottom + y0, bottom + y0, 1.0, ()),
        )
        slope = np.abs(np.diff(top)) + np.abs(np.diff(bottom))
        (found if _is_course(slope) else level).append(area)
    # What hardly rises or falls is an area where one lies on it or under it.
    found += [area for area in level if any(are_stacked(_from_foot((area, other))) for other in found)]
    return _from_foot(found)


def without_panel(areas: Sequence[Area], palette: Palette, named: Collection[int]) -> list[Area]:
    """Return the areas without a light panel that shows over them: its upper edge is straight, and nothing names it."""
    kept = [area for area in areas if area.fill in named or not _is_panel(area, palette)]
    return kept or list(areas)


def _is_panel(area: Area, palette: Palette) -> bool:
    lab, paper = area.top.lab, palette.papers[0]
    light = abs(float(lab[0] - paper[0])) <= PANEL_LIGHTNESS and float(np.hypot(lab[1], lab[2])) <= PANEL_CHROMA
    return light and float((np.abs(area.top.y - np.median(area.top.y)) <= _STRAIGHT_PX).mean()) > 0.8


def _from_foot(areas: Sequence[Area]) -> list[Area]:
    return sorted(areas, key=lambda area: -float(np.mean(area.bottom.y + area.top.y)))


def _is_course(slope: NDArray[np.float64]) -> bool:
    """Tell whether an edge goes up and down as a line does, given by how much it moves from column to column."""
    jumps = slope >= _JUMP_PX
    stepped = jumps.sum() >= _FEWEST_JUMPS and slope[jumps].sum() > _IN_JUMPS * slope.sum()
    if stepped and float((slope == 0).mean()) > _LEVEL:
        return False  # the tops of touching bars, their sides worn
    if float(((slope > 0) & ~jumps).mean()) >= _SLOPING:
        return True
    gentle, moving = (slope > 0) & (slope <= _GENTLE_PX), slope > 0
    return float(gentle.mean()) >= _GENTLY_SLOPING and float(gentle.sum()) >= _MOSTLY_GENTLE * float(moving.sum())


def are_stacked(areas: Sequence[Area]) -> bool:
    """Tell whether each area stands on the one below in most columns."""
    return len(areas) > 1 and touching_share(areas) > 0.6


def touching_share(areas: Sequence[Area]) -> float:
    """Return the share of columns, 0 to 1, in which areas stand on the one below, the median of pairs; 1 for one."""
    touching = []
    for lower, upper in itertools.pairwise(areas):
        begin, end = max(lower.top.x0, upper.bottom.x0), min(lower.top.x1, upper.bottom.x1)
        gap = np.abs(
            lower.top.y[begin - lower.top.x0 : end - lower.top.x0]
            - upper.bottom.y[begin - upper.bottom.x0 : end - upper.bottom.x0]
        )
        touching.append(float((gap <= _ON_TOP_PX).mean()))
    return float(np.median(touching)) if touching else 1.0


def _edges(
    mask: NDArray[np.bool_], hidden: NDArray[np.bool_]
) -> tuple[int, NDArray[np.float64], NDArray[np.float64]] | None:
    """Return (first column, top edge, bottom edge) of the longest unbroken stretch of columns."""
    filled = mask.any(axis=0)
    index = np.flatnonzero(filled)
    if not len(index):
        return None
    groups = np.split(index, np.flatnonzero(np.diff(index) > 4) + 1)
    longest = max(groups, key=len)
    begin, end = int(longest[0]), int(longest[-1]) + 1
    tops, bottoms = np.full(end - begin, np.nan), np.full(end - begin, np.nan)
    for column in range(begin, end):
        rows = np.flatnonzero(mask[:, column])
        if not len(rows):
            continue
        # Gridlines and other marks cut the column; words hide it; the pieces of one area belong together.
        pieces = np.split(rows, np.flatnonzero(np.diff(rows) > 6) + 1)
        best = max(pieces, key=len)
        if hidden[max(0, best[0] - 3) : best[-1] + 4, column].mean() > 0.3:
            continue
        tops[column - begin], bottoms[column - begin] = float(best[0]), float(best[-1] + 1)
    known = np.flatnonzero(np.isfinite(tops))
    if len(known) < 5:
        return None
    columns = np.arange(end - begin)
    # A median over five columns drops the nicks that gridlines and outlines leave in an edge and keeps its corners.
    top, bottom = (median_filter(np.interp(columns, known, edge[known]), 5, mode="nearest") for edge in (tops, bottoms))
    return begin, top, bottom
