"""Drawn lines: each one's course traced column by column, several of one colour apart."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.axes.calibration import Floats
from servers.vision.charts.axes.plot_area import PlotArea
from servers.vision.charts.lines.courses import Run, best_path, centered, column_runs
from servers.vision.charts.lines.dashes import Pattern, pattern_of
from servers.vision.charts.lines.markers import fill_rings, find_markers, mean_stamp
from servers.vision.charts.lines.stroke_colors import Color, Thin, find_thin, is_mix, line_colors
from servers.vision.charts.picture.colors import Palette
from servers.vision.charts.picture.page import Mask, Page

_LEAST_SPAN = 0.18  # of the plot's width that a line covers
_LEAST_PIECE = 0.04  # the same for what continues it after a gap
_LEAST_REPEAT = 0.3  # the same for a second line of one colour
_REPEAT_SOLID = 0.5
_MOST_PIECES = 6
_MARKER_PX = 2.5
STAMP_SIDE = 1.6  # letter heights


@dataclass(frozen=True, slots=True)
class Stroke:
    """One line's course."""

    lab: NDArray[np.float32]
    rgb: tuple[int, int, int]
    x0: int
    """First column."""
    y: Floats
    """[n]: centre of the line in each column from x0 on, NaN where there is a gap in it."""
    low: Floats
    """[n]: top of the run of ink, NaN where it has none."""
    high: Floats
    """[n]: bottom of the run."""
    width: float
    """Typical thickness, pixels."""
    markers: tuple[tuple[float, float], ...]
    """(x, y) of dots that are clearly thicker than the line, left to right."""
    color: int = 0
    """Index into the colours that were traced."""
    pattern: Pattern = field(default=Pattern(48.0, 48.0, 0.0))
    shape: NDArray[np.float32] | None = None
    """Typical marker, as `markers.stamp` cuts it."""

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
    """Return the lines drawn in the plot, one of each colour, the longest first.

    Args:
      hide: where words stand, bool [h, w].
    """
    thin = find_thin(page, palette, plot, words=hide)
    return trace(thin, line_colors(thin)) if thin is not None else []


def trace(thin: Thin, colors: Sequence[Color], most: Sequence[int] = ()) -> list[Stroke]:
    """Return the lines of the colours, the longest first.

    Args:
      most: how many lines each colour may have; one where left out.
    """
    strokes: list[Stroke] = []
    for index, color in enumerate(colors):
        others = [other for other in colors if other is not color]
        strokes += _of_color(thin, color, others, index, most[index] if index < len(most) else 1)
    strokes.sort(key=lambda stroke: -int(np.isfinite(stroke.low).sum()))
    paper = thin.palette.papers[-1]
    return [
        stroke
        for index, stroke in enumerate(strokes)
        if not any(_same_course(stroke, other, paper) for other in strokes[:index])
    ]


def _of_color(thin: Thin, color: Color, others: Sequence[Color], index: int, most: int) -> list[Stroke]:
    coverage = fill_rings(thin.coverage(color, others), thin.page.text_height)
    mask = (coverage > 0.5).astype(np.uint8)
    width = _stroke_width(mask)
    if width > 0.12 * mask.shape[0]:
        return []
    left = coverage.copy()
    found: list[list[Run | None]] = []
    for _ in range(_MOST_PIECES):
        runs = column_runs(left)
        path = best_path(runs, width) if runs is not None else None
        if runs is None or path is None:
            break
        chosen = [None if place is None else here[place] for here, place in zip(runs, path, strict=True)]
        inked = np.array([run is not None for run in chosen])
        if inked.sum() < _LEAST_PIECE * len(inked):
            break
        _erase(left, chosen, width)
        home = next((one for one in found if _continues(one, inked)), None)
        if home is not None:
            home[:] = [new or old for new, old in zip(chosen, home, strict=True)]
        elif inked.sum() >= _LEAST_SPAN * len(inked) and (not found or (len(found) < most and _is_line(inked))):
            found.append(chosen)
    spots = find_markers(mask, width)
    bare = thin.bare()
    return [_stroke(thin, chosen, color, index, width, coverage, bare, spots) for chosen in found]


def _is_line(inked: Mask) -> bool:
    """Tell whether the ink of a second line of one colour is dense and long enough to be one."""
    span = np.flatnonzero(inked)
    return len(span) >= _LEAST_REPEAT * len(inked) * _REPEAT_SOLID and (
        float(inked[span[0] : span[-1] + 1].mean()) >= _REPEAT_SOLID * 0.8
        and span[-1] - span[0] >= _LEAST_REPEAT * len(inked)
    )


def _continues(line: Sequence[Run | None], inked: Mask) -> bool:
    """Tell whether ink stands only in columns where a line has none: beyond its ends or in a gap."""
    has = np.array([run is not None for run in line])
    span = np.flatnonzero(inked)
    return float(has[span[0] : span[-1] + 1].mean()) < 0.1


def _erase(coverage: NDArray[np.float32], chosen: Sequence[Run | None], width: float) -> None:
    """Take a line's ink off the coverage; where another line crosses it, only as much as the line is thick."""
    y = centered(chosen, width)
    known = np.flatnonzero(np.isfinite(y))
    slope = np.abs(np.gradient(y[known], known)) if len(known) > 2 else np.zeros(len(known))
    for column, steep in zip(known.tolist(), np.minimum(slope, 6.0).tolist(), strict=True):
        run = chosen[column]
        if run is None:
            continue
        tall = width * float(np.hypot(1.0, steep)) + 1.5
        if run[2] - run[1] <= tall + 2.0:
            top, bottom = run[1] - 1, run[2] + 1
        else:
            top, bottom = y[column] - tall / 2, y[column] + tall / 2
        coverage[max(0, round(top)) : max(0, round(bottom)), column] = 0.0


def _stroke(
    thin: Thin,
    chosen: Sequence[Run | None],
    color: Color,
    index: int,
    width: float,
    coverage: NDArray[np.float32],
    bare: Mask,
    spots: Sequence[tuple[float, float]],
) -> Stroke:
    inked = np.array([run is not None for run in chosen])
    first, last = (int(place) for place in np.flatnonzero(inked)[[0, -1]])
    part, inked = chosen[first : last + 1], inked[first : last + 1]
    y = centered(part, width)
    way = np.interp(np.arange(len(y)), np.flatnonzero(inked), y[inked])
    gap = _gaps(inked, way, bare[:, first : last + 1], thin.covered[:, first : last + 1], width)
    step = np.minimum(np.hypot(1.0, np.gradient(way)), 8.0) if len(way) > 1 else np.ones(len(way))
    visible = inked | bare[np.clip(way.astype(int), 0, len(bare) - 1), np.arange(first, last + 1)]
    pattern = pattern_of((inked | ~visible)[~gap], step[~gap], ends=False)
    own = []
    for x, place in spots:
        column = round(x - 0.5) - first
        if 0 <= column < len(way) and abs(way[column] - place) <= 2.0 * width + 3.0:
            own.append((x, place))
    side = STAMP_SIDE * thin.page.text_height
    rgb = cv2.cvtColor(color.reshape(1, 1, 3), cv2.COLOR_LAB2RGB)[0, 0]
    red, green, blue = (round(float(np.clip(value, 0, 1)) * 255) for value in rgb)
    return Stroke(
        color,
        (red, green, blue),
        first + thin.x0,
        np.where(gap, np.nan, way) + thin.y0,
        np.array([np.nan if run is None else run[1] for run in part]) + thin.y0,
        np.array([np.nan if run is None else run[2] for run in part]) + thin.y0,
        width,
        tuple((x + thin.x0, place + thin.y0) for x, place in own),
        index,
        pattern,
        mean_stamp(coverage, own, side) if len(own) >= 3 else None,
    )


def _gaps(inked: Mask, way: Floats, bare: Mask, hidden: Mask, width: float) -> Mask:
    """Return the columns where the line is missing: bare paper for much longer than between its dashes.

    A stretch that something else hides is bridged where it is short.
    """
    gap = np.zeros(len(inked), dtype=bool)
    edges = np.flatnonzero(np.diff(inked.astype(np.int8))) + 1
    holes = [(a, b) for a, b in itertools.pairwise(edges) if not inked[a]]
    rows = np.clip(way.astype(int), 0, len(bare) - 1)
    usual = float(np.quantile([b - a for a, b in holes], 0.6)) if len(holes) >= 4 else 0.0
    for a, b in holes:
        columns = np.arange(a, b)
        is_bare = float(bare[rows[a:b], columns].mean())
        is_hidden = float(hidden[rows[a:b], columns].mean())
        if (is_bare > 0.6 and b - a > 2.5 * usual + 3 * width + 5) or (is_hidden > 0.5 and b - a > 0.08 * len(bare[0])):
            gap[a:b] = True
    return gap


def _stroke_width(mask: NDArray[np.uint8]) -> float:
    """Return the typical thickness: median over columns of the shorter of the vertical and horizontal run."""
    inner = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    ridge = inner[(inner > 0) & (inner >= cv2.dilate(inner, np.ones((3, 3), np.uint8)) - 1e-3)]
    return float(2 * np.median(ridge)) if len(ridge) else 1.0


def _same_course(one: Stroke, other: Stroke, paper: Color) -> bool:
    """Tell whether a line is the flank of another: nearly the same height in nearly all columns."""
    begin, end = max(one.x0, other.x0), min(one.x1, other.x1)
    if end - begin < 0.7 * len(one.y):
        return False
    difference = np.abs(one.y[begin - one.x0 : end - one.x0] - other.y[begin - other.x0 : end - other.x0])
    alike = float(np.linalg.norm(one.lab - other.lab)) < 30 or is_mix(one.lab, other.lab, paper)
    return alike and float(np.mean(difference[np.isfinite(difference)] < 1.5 + other.width / 2)) > 0.9


def vertices(stroke: Stroke, tolerance_px: float = 1.2) -> list[float]:
    """Return the x at which the course bends by more than the tolerance, ends included (Douglas & Peucker 1973)."""
    known = np.flatnonzero(np.isfinite(stroke.y))
    if len(known) < 3:
        return []
    curve = np.stack([known + 0.5 + stroke.x0, stroke.y[known]], axis=1).astype(np.float32)
    # Where a dash ends aslant its middle is off the line by up to half its thickness.
    thick = 0.5 if stroke.pattern.gap == 0.0 else 1.0
    bends = cv2.approxPolyDP(curve.reshape(-1, 1, 2), max(tolerance_px, thick * stroke.width), False)
    return sorted(float(x) for x in bends[:, 0, 0])
