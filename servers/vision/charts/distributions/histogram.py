"""Histograms: bars of one fill that touch over a measured axis, so that their sides are the edges of bins."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.axes.calibration import Floats
from servers.vision.charts.axes.value_axis import ValueAxis
from servers.vision.charts.picture.colors import Palette
from servers.vision.charts.picture.page import Mask, Page
from servers.vision.charts.picture.reach import with_room_above
from servers.vision.geometry import PixelBox

_LEAST_SHARE = 0.02  # of the plot's pixels that the bars fill
_LEAST_BINS = 3
_OUTLINE = (3.5, 0.35)  # a line drawn around bars, in pixels and in letter heights; a wider gap parts bars
_LEVEL_PX = 1.0  # tops that differ by no more are one bar
_ON_FOOT_PX = 4.0
_LEAST_BIN_PX = 3.0
_LEAST_STEP_PX = 2.5
_SLIVER = 0.25  # of the usual bin: a run of columns so narrow is the side of a bar, half covered
_SIDE_PX = 3.0  # how far the top of a worn side is from its bar's
_WORN = 0.13  # of a bin: what compression may take from its sides
_MOST_UNEVEN = 12  # bins of unequal width are few; the steps of a slope are many
_EQUAL_PX = 0.4  # tops of equal bins
_EDGE_PX = 1.6  # how far a side may be from the even grid of bins
_FILLED = 0.7  # of a bar's column between top and foot
_AT_CENTER = 0.15  # of a bin: ticks that stand so near to the middles of all bars name bars, they don't measure


@dataclass(frozen=True, slots=True)
class Histogram:
    """Touching bars, left to right, in pixels."""

    fill: int
    edges: tuple[float, ...]
    """Sides of the bins, one more than bins."""
    tops: tuple[float, ...]
    """y of each bar's end; the foot for an empty bin."""
    foot: float
    is_even: bool
    """All bins are equally wide."""

    def box(self, index: int) -> PixelBox:
        """Return a bar's pixels."""
        return PixelBox(
            self.edges[index], min(self.tops[index], self.foot), self.edges[index + 1], max(self.tops[index], self.foot)
        )


def find_histogram(
    page: Page,
    palette: Palette,
    plot: PixelBox,
    x_axis: ValueAxis,
    y_axis: ValueAxis,
    fills: Sequence[int],
    *,
    hide: Mask,
) -> Histogram | None:
    """Return the plot's histogram, or None where its bars stand apart or are named rather than measured.

    Args:
      fills: those that may be marks.
      hide: pixels of words and legends, bool [h, w].
    """
    x0, y0, x1, y1 = (round(edge) for edge in plot)
    # Ticks whose labels run into each other may be missing at either end: the bars say how far they go.
    if y_axis.box.center_x < plot.center_x:
        x0, x1 = min(x0, round(y_axis.box.x_max) + 1), page.width
    else:
        x0, x1 = 0, max(x1, round(y_axis.box.x_min) - 1)
    outline = max(_OUTLINE[0], _OUTLINE[1] * page.text_height)
    foot = y_axis.fit.pixel(0.0) if not y_axis.fit.log else float(y1)
    # Bars reach beyond the outermost labels by less than a step; the one at zero may be hidden.
    y0, y1 = round(with_room_above(plot, y_axis).y_min), min(page.height, max(y1, round(foot) + 1))
    labels, hidden = palette.labels[y0:y1, x0:x1], hide[y0:y1, x0:x1]
    best: tuple[int, Histogram] | None = None
    for fill in fills:
        mask = (labels == fill) & ~hidden
        size = int(mask.sum())
        if size < _LEAST_SHARE * mask.size or (best is not None and size <= best[0]):
            continue
        found = _bins_of(mask, foot - y0, outline)
        if found is None:
            continue
        edges, tops, is_even = found
        histogram = Histogram(
            fill, tuple(float(edge + x0) for edge in edges), tuple(float(top + y0) for top in tops), foot, is_even
        )
        if _is_measured(histogram, x_axis):
            best = (size, histogram)
    return best[1] if best is not None else None


def _bins_of(mask: Mask, foot: float, outline: float) -> tuple[Floats, Floats, bool] | None:
    """Return (sides, tops, whether the bins are equally wide) of a fill's bars, or None where they don't touch."""
    columns = _columns(mask, foot, outline)
    if columns is None:
        return None
    tops, gap_px = columns
    bars = _without_slivers(_plateaus(tops))
    if len(bars) < _LEAST_BINS or sum(b - a for a, b, _ in bars) < 0.8 * np.isfinite(tops).sum():
        return None
    # Slopes of areas fall apart into many steps of a pixel or two.
    steps = [step for after, before in itertools.pairwise(bars) if (step := abs(after[2] - before[2])) > _EQUAL_PX]
    width = float(np.median([b - a for a, b, _ in bars]))
    if width < _LEAST_BIN_PX or not steps or float(np.median(steps)) < _LEAST_STEP_PX:
        return None
    outline = max(outline, _WORN * width)
    sides, heights = _sides(bars, outline)
    apart = [b[0] - a[1] for a, b in itertools.pairwise(bars)]
    wide = [gap for gap in apart if gap > outline]
    # A gap as wide as bins is an empty bin; gaps of any other width between most bars part bars of categories.
    if (
        any(abs(gap / width - round(gap / width)) > 0.25 or gap < 0.7 * width for gap in wide)
        or len(wide) > len(bars) / 3
    ):
        return None
    grid = _even_grid(sides, width)
    half = gap_px / 2
    if grid is None and not gap_px and len(bars) > _MOST_UNEVEN:
        return None
    if grid is None:
        tops_out = [top - half if np.isfinite(top) else foot for top in heights]
        return np.array(sides), np.array(tops_out), False
    tops_even = []
    for low, high in itertools.pairwise(grid):
        middle = (low + high) / 2
        over = [top for a, b, top in bars if a - 1 <= middle <= b + 1]
        tops_even.append(over[0] - half if over else foot)
    return grid, np.array(tops_even), True


def _columns(mask: Mask, foot: float, outline: float) -> tuple[Floats, float] | None:
    """Return (top of the fill in each column, NaN for none; median width of the outlines between bars), or None."""
    height = mask.shape[0]
    base = int(np.clip(round(foot), 1, height))
    body = mask[:base]
    filled = body.any(axis=0)
    if not filled.any():
        return None
    tops = np.where(filled, body.argmax(axis=0), np.nan).astype(np.float64)
    count = body.sum(axis=0)
    lowest = np.where(filled, base - body[::-1].argmax(axis=0), 0)
    stands = np.abs(lowest - base) <= _ON_FOOT_PX
    full = count >= _FILLED * np.maximum(base - np.nan_to_num(tops, nan=base), 1)
    if float((stands & full)[filled].mean()) < 0.85:
        return None
    tops[~(stands & full)] = np.nan
    index = np.flatnonzero(np.isfinite(tops))
    gaps = np.diff(index) - 1
    thin = gaps[(gaps > 0) & (gaps <= outline)]
    return tops, float(np.median(thin)) if len(thin) else 0.0


def _plateaus(tops: Floats) -> list[tuple[float, float, float]]:
    """Return (left, right, top) of each run of columns with one top; slivers at the sides belong to neither."""
    out: list[tuple[float, float, float]] = []
    begin = 0
    for column in range(1, len(tops) + 1):
        same = (
            column < len(tops)
            and np.isfinite(tops[column])
            and np.isfinite(tops[begin])
            and abs(tops[column] - tops[begin]) <= _LEVEL_PX
        )
        if same:
            continue
        if np.isfinite(tops[begin]) and column - begin >= 2:
            out.append((float(begin), float(column), float(np.median(tops[begin:column]))))
        begin = column
    return out


def _without_slivers(bars: Sequence[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Return the runs without narrow ones, the sides of bars; one of nearly its neighbour's top becomes part of it."""
    if not bars:
        return []
    widths = np.array([b - a for a, b, _ in bars])
    order = np.argsort(widths)
    usual = float(widths[order][np.searchsorted(np.cumsum(widths[order]), widths.sum() / 2)])
    kept: list[tuple[float, float, float]] = []
    for a, b, top in bars:
        if b - a > _SLIVER * usual:
            begin = a
            if kept and kept[-1][1] - kept[-1][0] <= _SLIVER * usual:
                side = kept.pop()
                begin = side[0] if a - side[1] <= 1 and abs(side[2] - top) <= _SIDE_PX else a
            kept.append((begin, b, top))
        elif kept and kept[-1][1] - kept[-1][0] > _SLIVER * usual and a - kept[-1][1] <= 1:
            if abs(top - kept[-1][2]) <= _SIDE_PX:
                kept[-1] = (kept[-1][0], b, kept[-1][2])
        else:
            kept.append((a, b, top))
    return [bar for bar in kept if bar[1] - bar[0] > _SLIVER * usual]


def _sides(bars: Sequence[tuple[float, float, float]], outline: float) -> tuple[list[float], list[float]]:
    """Return (sides, tops) of the runs with the line between two given half to each and empty bins filled in."""
    sides, tops = [bars[0][0]], [bars[0][2]]
    for (_, right, _), (left, _, top) in itertools.pairwise(bars):
        if left - right <= outline:
            sides.append((right + left) / 2)
        else:
            sides += [right, left]
            tops.append(float("nan"))
        tops.append(top)
    sides.append(bars[-1][1])
    return sides, tops


def _even_grid(sides: Sequence[float], width: float) -> Floats | None:
    """Return evenly spaced sides that all the seen ones lie on, or None: neighbours of one height hide a side.

    The narrowest bar is one bin wide, unless it takes several bins a bar to put every side on the grid.
    """
    seen = np.array(sides)
    sizes = {size / parts for size in (float(np.diff(seen).min()), width) for parts in (1, 2, 3)}
    for size in sorted(sizes, reverse=True):
        step, start = size, float(seen[0])
        for _ in range(3):
            places = np.rint((seen - start) / step)
            if len(np.unique(places)) < len(places):
                break
            step, start = (float(value) for value in np.polyfit(places, seen, 1))
            if step < _LEAST_BIN_PX:
                break
        else:
            if float(np.abs(seen - (start + step * places)).max()) <= _EDGE_PX:
                return np.asarray(start + step * np.arange(places[0], places[-1] + 1), np.float64)
    return None


def _is_measured(histogram: Histogram, x_axis: ValueAxis) -> bool:
    """Tell whether the ticks measure the bars: fewer than bars, or at their sides, not one at each middle."""
    edges: NDArray[np.float64] = np.array(histogram.edges)
    middles, widths = (edges[:-1] + edges[1:]) / 2, np.diff(edges)
    places = np.array([tick.position for tick in x_axis.ticks])
    off = np.abs(middles[:, None] - places[None]).min(axis=1)
    inside = (places > edges[0]) & (places < edges[-1])
    return int(inside.sum()) >= 2 and float((off <= _AT_CENTER * widths).mean()) < 0.8
