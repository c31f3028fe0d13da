"""Drawn lines: their colours, and each one's course traced column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.bounds import MOST_INK_COLORS, MOST_LINE_COLORS, MOST_RUNS
from servers.vision.charts.calibration import Floats
from servers.vision.charts.colors import Palette, distance_from
from servers.vision.charts.inks import Inks, find_inks
from servers.vision.charts.page import Mask, Page
from servers.vision.charts.plot_area import PlotArea

_INK = 16.0  # colour difference from the paper at which a pixel may be the core of a line
_SAME_LINE = 13.0
_OFF_MIX = 16.0  # how far an antialiased pixel may lie off the straight mix of line and paper
_LEAST_SPAN = 0.18  # of the plot's width that a line covers
_MOST_LINES = 14
_MARKER_PX = 2.5
_JUMP_COST = 0.12  # per pixel of vertical gap between neighbouring columns
_GAP_COST = 0.35  # per column without ink


@dataclass(frozen=True, slots=True)
class Stroke:
    """One line's course."""

    lab: NDArray[np.float32]
    rgb: tuple[int, int, int]
    x0: int
    """First column."""
    y: Floats
    """[n]: centre of the line in each column from x0 on, NaN where it is hidden."""
    low: Floats
    """[n]: top of the run of ink."""
    high: Floats
    """[n]: bottom of the run."""
    width: float
    """Typical thickness, pixels."""
    markers: tuple[tuple[float, float], ...]
    """(x, y) of dots that are clearly thicker than the line, left to right."""

    @property
    def x1(self) -> int:
        """One past the last column."""
        return self.x0 + len(self.y)

    def at(self, x: float, reach: float) -> float | None:
        """Return the line's height at x, or None where it has no ink within the reach.

        At a corner the ink's middle lies inside the corner; the two arms are extended to x instead.
        """
        column = round(x - 0.5) - self.x0
        marker = min(self.markers, key=lambda place: abs(place[0] - x), default=None)
        if marker is not None and abs(marker[0] - x) <= _MARKER_PX:
            return marker[1]
        known = np.flatnonzero(np.isfinite(self.y))
        if not len(known):
            return None
        nearest = int(known[np.argmin(np.abs(known - column))])
        if abs(nearest - column) > max(1.5, reach):
            return None
        ends = [end for side in (-1, 1) if (end := self._arm(column, side)) is not None]
        direct = float(self.y[nearest])
        if len(ends) == 2 and abs(ends[0] - ends[1]) < 3.0:
            middle = float(np.mean(ends))
            return middle if abs(middle - direct) < 6.0 else direct
        return direct

    def _arm(self, column: int, side: int) -> float | None:
        """Return the height at the column by the straight piece on one side of it."""
        span = np.arange(2, 8) * side + column
        span = span[(span >= 0) & (span < len(self.y))]
        if len(span) < 4:
            return None
        ys = self.y[span]
        if not np.isfinite(ys).all():
            return None
        slope, intercept = np.polyfit(span.astype(np.float64), ys, 1)
        if np.max(np.abs(slope * span + intercept - ys)) > 0.8:
            return None
        return float(slope * column + intercept)


def find_strokes(page: Page, palette: Palette, plot: PlotArea, *, hide: Mask) -> list[Stroke]:
    """Return the lines drawn in the plot, the longest first.

    Args:
      hide: pixels to leave out, bool [h, w]: words and legends.
    """
    x0, y0, x1, y1 = (round(edge) for edge in plot.box)
    if x1 - x0 < 20 or y1 - y0 < 20:
        return []
    window = (slice(y0, y1), slice(x0, x1))
    inks = find_inks(page.rgb[window])
    if len(inks) > MOST_INK_COLORS:
        page.cuts.add("many_shades", f"the plot has {len(inks)} different colours; no line was looked for in it")
        return []
    hidden = hide[window] | plot.rules[window]
    away = distance_from(page, palette.papers)[window]
    colors = _line_colors(page, inks, away, hidden)
    strokes = []
    for color in colors[:_MOST_LINES]:
        others = [other for other in colors if other is not color]
        stroke = _trace(page, inks, palette, color, others, hidden, (x0, y0))
        if stroke is not None:
            strokes.append(stroke)
    strokes.sort(key=lambda stroke: -int(np.isfinite(stroke.y).sum()))
    return [
        stroke
        for index, stroke in enumerate(strokes)
        if not any(_same_course(stroke, other) for other in strokes[:index])
    ]


def _line_colors(page: Page, inks: Inks, away: NDArray[np.float32], hidden: Mask) -> list[NDArray[np.float32]]:
    """Return the colours of line cores that reach across enough columns.

    A core is where the difference from the paper is greatest among its neighbours above and below or left and right:
    antialiased flanks are not.
    """
    vertical = cv2.dilate(away, np.ones((3, 1), np.uint8))
    horizontal = cv2.dilate(away, np.ones((1, 3), np.uint8))
    core = (away > _INK) & ((away >= vertical - 0.5) | (away >= horizontal - 0.5)) & ~hidden
    rows, columns = np.nonzero(core)
    if len(rows) < 10:
        return []
    inked = inks.owner[rows, columns]
    bins = np.round(inks.lab / 6.0).astype(np.int64) + 64
    _, bin_of = np.unique(bins @ np.array([1 << 16, 1 << 8, 1]), return_inverse=True)
    inverse = bin_of[inked]
    counts = np.bincount(inverse)
    pixels_of = np.split(np.argsort(inverse, kind="stable"), np.cumsum(counts)[:-1])
    centers: list[NDArray[np.float32]] = []
    for position in np.argsort(counts)[::-1][:60]:
        if counts[position] < 4:
            break
        color = np.median(inks.lab[inked[pixels_of[position]]], axis=0)
        if all(np.linalg.norm(color - other) >= _SAME_LINE for other in centers):
            centers.append(color.astype(np.float32))
    kept = []
    if not centers:
        return []
    distances = np.stack([inks.distance_to(center) for center in centers])
    owner = np.where(distances.min(axis=0) < _SAME_LINE, distances.argmin(axis=0), -1)[inked]
    width = hidden.shape[1]
    for index, center in enumerate(centers):
        reach = int(np.count_nonzero(np.bincount(columns[owner == index], minlength=width)))
        if reach >= _LEAST_SPAN * width:
            kept.append((reach, center))
    kept.sort(key=lambda item: -item[0])
    if len(kept) > MOST_LINE_COLORS:
        page.cuts.add("many_line_colors", f"{len(kept)} colours run across the picture; no line was looked for in it")
        return []
    colors = [center for _, center in kept]
    bare = away < 3.0
    paper = np.median(inks.pixels()[bare], axis=0) if bare.any() else np.array([100.0, 0.0, 0.0])
    return [color for color in colors if not _is_flank(color, colors, inks, paper)]


def _is_flank(
    color: NDArray[np.float32],
    colors: Sequence[NDArray[np.float32]],
    inks: Inks,
    paper: NDArray[np.floating],
) -> bool:
    """Tell whether a colour is the antialiased flank of a stronger line: a mix of it with the paper, and beside it."""
    here = (inks.distance_to(color) < _SAME_LINE * 0.7)[inks.owner]
    for other in colors:
        if other is color:
            continue
        span = paper - other
        length = float(span @ span)
        t = float((color - other) @ span) / max(length, 1e-6)
        if 0.12 < t < 0.9 and float(np.linalg.norm(color - other - t * span)) < 9.0:
            strong = (inks.distance_to(other) < _SAME_LINE).astype(np.uint8)[inks.owner]
            beside = cv2.dilate(strong, np.ones((5, 5), np.uint8)).astype(bool)
            if float(beside[here].mean()) > 0.6:
                return True
    return False


def _trace(
    page: Page,
    inks: Inks,
    palette: Palette,
    color: NDArray[np.float32],
    others: Sequence[NDArray[np.float32]],
    hidden: Mask,
    origin: tuple[int, int],
) -> Stroke | None:
    share = _coverage(inks.lab, palette, color)
    if others:
        closest = np.min(np.stack([inks.distance_to(other) for other in others]), axis=0)
        share[closest < inks.distance_to(color)] *= 0.3
    coverage = share[inks.owner]
    coverage[hidden] = 0.0
    runs = _column_runs(coverage)
    if runs is None:
        return None
    path = _best_path(runs)
    if path is None:
        return None
    first = next(i for i, k in enumerate(path) if k is not None)
    last = len(path) - next(i for i, k in enumerate(reversed(path)) if k is not None)
    chosen = [None if path[i] is None else runs[i][path[i] or 0] for i in range(first, last)]
    solid = sum(run is not None for run in chosen)
    if solid < _LEAST_SPAN * coverage.shape[1]:
        return None
    y = np.array([np.nan if run is None else run[0] for run in chosen]) + origin[1]
    low = np.array([np.nan if run is None else run[1] for run in chosen]) + origin[1]
    high = np.array([np.nan if run is None else run[2] for run in chosen]) + origin[1]
    y = _filled(y)
    mask = (coverage > 0.5).astype(np.uint8)
    width = _stroke_width(mask)
    if width > 0.12 * mask.shape[0]:
        return None
    rgb = cv2.cvtColor(color.reshape(1, 1, 3), cv2.COLOR_LAB2RGB)[0, 0]
    red, green, blue = (round(float(np.clip(value, 0, 1)) * 255) for value in rgb)
    markers = _markers(mask, width, origin)
    return Stroke(color, (red, green, blue), first + origin[0], y, low, high, width, markers)


def _coverage(lab: NDArray[np.float32], palette: Palette, color: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how much of a pixel of each colour [n, 3] a line covers: the place between paper and line, 0 to 1."""
    best = np.zeros(len(lab), dtype=np.float32)
    for paper in palette.papers:
        span = color - paper
        length = float(span @ span)
        if length < 100.0:
            continue
        t = (lab - paper) @ span / length
        off = np.linalg.norm(lab - paper - t[:, None] * span, axis=1)
        value = np.where((off < _OFF_MIX) & (t < 1.35), np.clip(t, 0, 1), 0)
        best = np.maximum(best, value.astype(np.float32))
    return best


def _column_runs(coverage: NDArray[np.float32]) -> list[list[tuple[float, float, float, float]]] | None:
    """Return (centre, top, bottom, ink) of each run of ink by column, pixel centres at .5.

    None where columns hold more runs than a line and what crosses it leave.
    """
    columns = np.ascontiguousarray(coverage.T)
    edges = np.diff(np.pad(columns > 0.3, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    owner, begins = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    counts = np.bincount(owner, minlength=len(columns))
    if counts.any() and float(np.median(counts[counts > 0])) > MOST_RUNS:
        return None
    found: list[list[tuple[float, float, float, float]]] = [[] for _ in columns]
    for index, begin, end in zip(owner.tolist(), begins.tolist(), ends.tolist(), strict=True):
        column = columns[index]
        if float(column[begin:end].max()) < 0.45:
            continue
        a, b = max(0, begin - 1), min(len(column), end + 1)
        weight = column[a:b].astype(np.float64)
        ink = float(weight.sum())
        found[index].append((float((np.arange(a, b) + 0.5) @ weight / ink), float(begin), float(end), ink))
    return [runs if len(runs) <= 8 else sorted(runs, key=lambda run: -run[3])[:8] for runs in found]


def _best_path(runs: Sequence[Sequence[tuple[float, float, float, float]]]) -> list[int | None] | None:
    """Return the run chosen in each column (None where hidden) so that ink is followed and jumps are few (Viterbi)."""
    history: list[list[tuple[float, int, int]]] = []  # per column: (value, back column, back index)
    alive: list[tuple[float, int, int, float, float]] = []  # value, column, index, top, bottom
    for column, here in enumerate(runs):
        entries: list[tuple[float, int, int]] = []
        fresh: list[tuple[float, int, int, float, float]] = []
        for index, (_, top, bottom, _) in enumerate(here):
            best = (0.0, -1, -1)
            for value, back_column, back_index, back_top, back_bottom in alive:
                value -= _GAP_COST * (column - back_column - 1)
                if value <= best[0]:
                    continue
                gap = back_top - bottom if back_top > bottom else top - back_bottom
                jump = gap - 1.5 * (column - back_column)
                if jump > 0.0:
                    value -= _JUMP_COST * jump
                if value > best[0]:
                    best = (value, back_column, back_index)
            entries.append((best[0] + 1.0, best[1], best[2]))
            fresh.append((best[0] + 1.0, column, index, top, bottom))
        history.append(entries)
        alive = sorted([*fresh, *alive], key=lambda state: -(state[0] - _GAP_COST * (column - state[1])))[:12]
    ends = [
        (value, column, index) for column, entries in enumerate(history) for index, (value, _, _) in enumerate(entries)
    ]
    if not ends:
        return None
    _, column, index = max(ends)
    path: list[int | None] = [None] * len(runs)
    while column >= 0:
        path[column] = index
        _, column, index = history[column][index]
    return path


def _filled(y: Floats) -> Floats:
    """Return the course with hidden stretches bridged by straight lines: crossings, labels and dashes."""
    known = np.flatnonzero(np.isfinite(y))
    return np.interp(np.arange(len(y)), known, y[known])


def _stroke_width(mask: NDArray[np.uint8]) -> float:
    """Return the typical thickness: median over columns of the shorter of the vertical and horizontal run."""
    inner = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    ridge = inner[(inner > 0) & (inner >= cv2.dilate(inner, np.ones((3, 3), np.uint8)) - 1e-3)]
    return float(2 * np.median(ridge)) if len(ridge) else 1.0


def _markers(mask: NDArray[np.uint8], width: float, origin: tuple[int, int]) -> tuple[tuple[float, float], ...]:
    """Return the centres of blobs clearly thicker than the line."""
    inner = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    thick = (inner > max(1.25 * width / 2 + 0.6, 2.0)).astype(np.uint8)
    count, _, stats, centers = cv2.connectedComponentsWithStats(thick, connectivity=8)
    found = [
        (float(centers[part][0] + 0.5 + origin[0]), float(centers[part][1] + 0.5 + origin[1]))
        for part in range(1, count)
        if max(stats[part, cv2.CC_STAT_WIDTH], stats[part, cv2.CC_STAT_HEIGHT]) < 6 * width + 12
    ]
    return tuple(sorted(found))


def _same_course(one: Stroke, other: Stroke) -> bool:
    """Tell whether a line is the flank of another: nearly the same height in nearly all columns."""
    begin, end = max(one.x0, other.x0), min(one.x1, other.x1)
    if end - begin < 0.7 * len(one.y):
        return False
    difference = np.abs(one.y[begin - one.x0 : end - one.x0] - other.y[begin - other.x0 : end - other.x0])
    return float(np.mean(difference < 1.5 + other.width / 2)) > 0.9 and float(np.linalg.norm(one.lab - other.lab)) < 30


def vertices(stroke: Stroke, tolerance_px: float = 1.2) -> list[float]:
    """Return the x at which the course bends by more than the tolerance, ends included (Douglas & Peucker 1973)."""
    known = np.flatnonzero(np.isfinite(stroke.y))
    if len(known) < 3:
        return []
    curve = np.stack([known + 0.5 + stroke.x0, stroke.y[known]], axis=1).astype(np.float32)
    bends = cv2.approxPolyDP(curve.reshape(-1, 1, 2), max(tolerance_px, 0.5 * stroke.width), False)
    return sorted(float(x) for x in bends[:, 0, 0])
