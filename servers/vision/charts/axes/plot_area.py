"""Where the data is drawn: the rectangle between the axes, and the rules (grid, frame, axes) that cross it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.axes.ticks import ValueAxis
from servers.vision.charts.picture.colors import Palette, distance_from
from servers.vision.charts.picture.page import Mask, Page
from servers.vision.geometry import PixelBox

_RULE_SHARE = 0.45  # of the plot's length that a rule covers, dashes counted
_FRAME_SHARE = 0.8  # the same for strong lines, such as a frame
_STRONG = 35.0
_ROW_REACH = 0.4  # of the plot's width
_RULE_CHROMA = 14.0
_BEYOND_PX = 12.0  # level gridlines go on for longer than a tick mark
_FEWEST_TICKS = 3  # from which a lost one is looked for
_BELOW_RULE_PX = 4.0
_THICKEST_RULE = 0.25  # letter heights, antialiased edges counted
_VISIBLE = 3.0  # colour difference at which a light grid is still seen


@dataclass(frozen=True, slots=True)
class PlotArea:
    """The plot's rectangle and its rules."""

    box: PixelBox
    rules: Mask
    """[h, w]: pixels of straight grey lines across the plot."""


def find_plot_area(page: Page, palette: Palette, x_axis: ValueAxis | None, y_axis: ValueAxis | None) -> PlotArea:
    """Return the rectangle the axes span, fitted to its rules; without axes, the whole image."""
    height = page.text_height
    top, bottom = 0.0, float(page.height)
    left, right = 0.0, float(page.width)
    if y_axis is not None:
        places = [tick.position for tick in y_axis.ticks]
        step = (max(places) - min(places)) / max(1, len(places) - 1)
        # A log axis often goes on for most of a decade beyond its outer labels.
        beyond = 0.9 * step if y_axis.fit.log else min(0.9 * step, 0.12 * page.height)
        top, bottom = min(places) - beyond, max(places) + beyond
        on_left = y_axis.box.center_x < page.width / 2
        left, right = (y_axis.box.x_max, right) if on_left else (left, y_axis.box.x_min)
        if not y_axis.fit.log and len(places) >= _FEWEST_TICKS:
            top = min(top, _next_rule(page, palette, PixelBox(left, 0.0, right, min(places)), min(places), -step))
            foot = PixelBox(left, 0.0, right, float(page.height))
            bottom = max(bottom, _next_rule(page, palette, foot, max(places), step) + _BELOW_RULE_PX)
    if x_axis is not None:
        if y_axis is not None and _is_above(x_axis, y_axis):
            top = max(top, x_axis.box.y_max)
        else:
            bottom = min(bottom, x_axis.box.y_min)
        places = [tick.position for tick in x_axis.ticks]
        step = (max(places) - min(places)) / max(1, len(places) - 1)
        left = max(left, min(places) - 1.0 * step - height)
        right = min(right, max(places) + 1.0 * step + height)
    box = PixelBox(left, max(0.0, top), right, bottom).clipped(page.width, page.height)
    if y_axis is not None and x_axis is None:
        box = PixelBox(
            box.x_min,
            box.y_min,
            box.x_max,
            min(box.y_max, _top_of_labels(page, box, max(tick.position for tick in y_axis.ticks))),
        )
    rules = find_rules(page, palette, box)
    lowest = None
    if y_axis is not None:
        places = [tick.position for tick in y_axis.ticks]
        lowest = (max(places), max(places) + (max(places) - min(places)) / max(1, len(places) - 1))
    tight = _to_rules(box, rules, lowest)
    # A strong axis line that crosses the plot may not cross the wider box of the first look.
    return PlotArea(tight, rules | find_rules(page, palette, tight))


def _next_rule(page: Page, palette: Palette, box: PixelBox, last: float, step: float) -> float:
    """Return the y to which a plot reaches where a gridline one step beyond its last tick shows that a label was lost.

    Args:
      box: where the gridline may be.
      last: y of the outermost tick read.
      step: to the next one, negative upwards.
    """
    y = last + step
    low, high = round(y) - 2, round(y) + 3
    if low < 0 or high > page.height or not box.y_min <= y <= box.y_max:
        return last
    away = distance_from(page, palette.papers)[low:high, round(box.x_min) : round(box.x_max)]
    beside = page.lab[low:high, round(box.x_min) : round(box.x_max)]
    grey = (away > _VISIBLE) & (np.hypot(beside[..., 1], beside[..., 2]) < _RULE_CHROMA)
    is_rule = (
        grey.size and float(grey.mean(axis=1).max()) >= _RULE_SHARE and float(grey.mean(axis=1).min()) < _RULE_SHARE
    )
    return y + (0.9 * step if step < 0 else 0.0) if is_rule else last


def _is_above(x_axis: ValueAxis, y_axis: ValueAxis) -> bool:
    """Tell whether a row of ticks stands over the plot: above the highest tick of the other axis, and not far."""
    highest = min(tick.position for tick in y_axis.ticks)
    steps = y_axis.span_px / max(1, len(y_axis.ticks) - 1)
    return x_axis.direction == "x" and highest - 1.5 * steps <= x_axis.box.y_max <= highest


def _grows_downwards(axis: ValueAxis) -> bool:
    """Tell whether a column is an inverted axis: evenly stepped numbers from zero or in round steps, and no ranks."""
    numbers = np.array([tick.number for tick in axis.ticks])
    step = float(np.min(np.abs(np.diff(numbers)))) if len(numbers) > 1 else 0.0
    return (
        len(numbers) >= 4
        and not axis.is_years
        and not axis.fit.log
        and step > 0
        and (step != 1 or numbers[0] != 1)
        and bool(np.allclose(numbers / step, np.rint(numbers / step), atol=1e-6))
    )


def _top_of_labels(page: Page, box: PixelBox, lowest_tick: float) -> float:
    """Return the top of the category labels: slanted words, or the first row of words that reaches across the plot.

    A legend inside the plot may stand below the lowest tick too, but its words do not reach across.
    """
    height = page.text_height
    below = [
        run
        for run in page.runs
        if run.box.y_min > lowest_tick + 0.3 * height and box.x_min <= run.box.center_x <= box.x_max
    ]
    turned = [
        word.box
        for word in page.turned
        if word.box.y_min > lowest_tick - 0.5 * height and box.x_min < word.box.center_x < box.x_max
    ]
    tops = []
    # Pieces of a curve may be read as a slanted word: labels stand at the same height all along.
    for slanted in turned:
        row = [other for other in turned if abs(other.y_min - slanted.y_min) < 1.5 * height]
        if max(other.center_x for other in row) - min(other.center_x for other in row) > _ROW_REACH * (
            box.x_max - box.x_min
        ):
            tops.append(min(other.y_min for other in row))
    for run in below:
        row = [other.box for other in below if abs(other.box.center_y - run.box.center_y) < 0.6 * height]
        reach = max(other.center_x for other in row) - min(other.center_x for other in row)
        if reach > _ROW_REACH * (box.x_max - box.x_min):
            tops.append(min(other.y_min for other in row))
    return min(tops, default=box.y_max)


def find_rules(page: Page, palette: Palette, box: PixelBox) -> Mask:
    """Return the pixels of thin straight grey rows and columns that cross most of the box."""
    away = distance_from(page, palette.papers)
    chroma = np.hypot(page.lab[..., 1], page.lab[..., 2])
    grey = (away > _VISIBLE) & (chroma < _RULE_CHROMA)
    x0, y0, x1, y1 = (round(edge) for edge in box)
    mask = np.zeros(grey.shape, dtype=bool)
    if x1 - x0 < 10 or y1 - y0 < 10:
        return mask
    window = grey[y0:y1, x0:x1]
    strong = (away > _STRONG)[y0:y1, x0:x1] & window
    dark = np.where(window, away[y0:y1, x0:x1], 0.0)
    thickest = max(4, round(_THICKEST_RULE * page.text_height))
    for axis in (1, 0):
        # Steps of a line chart run straight too, but not across the whole plot as strong rules do.
        share = np.where(
            strong.mean(axis=axis) > _RULE_SHARE / 2,
            window.mean(axis=axis) - (_FRAME_SHARE - _RULE_SHARE),
            window.mean(axis=axis),
        )
        rows, level = share >= _RULE_SHARE, dark.mean(axis=axis)
        # A broad grey area (bars, a panel) is no rule: rules are thin beside letters.
        index = np.flatnonzero(rows)
        for group in np.split(index, np.flatnonzero(np.diff(index) > 1) + 1) if len(index) else []:
            if _thickness(level[group]) <= thickest:
                if axis == 1:
                    mask[y0 + group[0] : y0 + group[-1] + 1, x0:x1] = True
                else:
                    mask[y0:y1, x0 + group[0] : x0 + group[-1] + 1] = True
    _add_corners(mask[y0:y1, x0:x1], strong, thickest)
    return mask & grey


def _thickness(level: NDArray[np.float32]) -> int:
    """Return how many of neighbouring rows are at least half as dark as the darkest: blur adds paler ones."""
    return int(np.count_nonzero(level >= 0.5 * level.max()))


def _add_corners(mask: Mask, strong: Mask, thickest: int) -> None:
    """Add the strong straight lines that meet at an end of both: axes and frames of a plot smaller than the box.

    Args:
      mask: bool [h, w], changed.
    """
    level, upright = _long_runs(strong, thickest), _long_runs(strong.T, thickest)
    for top, bottom, begin, end in level:
        for left, right, first, last in upright:
            near_side = min(abs(begin - left), abs(end - right)) <= thickest
            near_foot = min(abs(first - top), abs(last - bottom)) <= thickest
            if near_side and near_foot:
                mask[top:bottom, begin:end] = True
                mask[first:last, left:right] = True


def _long_runs(strong: Mask, thickest: int) -> list[tuple[int, int, int, int]]:
    """Return the thin groups of rows in which one unbroken run is long: (top, bottom, begin, end)."""
    index = np.flatnonzero(strong.mean(axis=1) >= _RULE_SHARE)
    found = []
    for group in np.split(index, np.flatnonzero(np.diff(index) > 1) + 1) if len(index) else []:
        row = strong[group].any(axis=0)
        edges = np.flatnonzero(np.diff(np.r_[False, row, False].astype(np.int8)))
        begin, end = max(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True), key=lambda run: run[1] - run[0])
        if len(group) <= thickest and end - begin >= _RULE_SHARE * strong.shape[1]:
            # A line's antialiased edge is weaker.
            found.append((max(0, int(group[0]) - 1), int(group[-1]) + 2, begin, end))
    return found


def _to_rules(box: PixelBox, rules: Mask, foot: tuple[float, float] | None) -> PixelBox:
    """Return the box shrunk to the rules that bound it.

    Args:
      foot: y of the lowest tick and of one step below it; the axis line lies between.
    """
    x0, y0, x1, y1 = (round(edge) for edge in box)
    window = rules[y0:y1, x0:x1]
    if not window.size:
        return box
    columns = np.flatnonzero(window.mean(axis=0) > _RULE_SHARE)
    rows = np.flatnonzero(window.mean(axis=1) > _RULE_SHARE)
    left, top, right, bottom = box.x_min, box.y_min, box.x_max, box.y_max
    is_parted = len(rows) > 0 and rows[-1] - rows[0] > _BEYOND_PX
    crossed = np.flatnonzero(window[rows].mean(axis=0) > 0.5) if is_parted else np.zeros(0, dtype=np.int64)
    is_crossed = len(crossed) > 0 and crossed[-1] - crossed[0] > _RULE_SHARE * (x1 - x0)
    # The outermost upright gridlines are no bounds where level ones go on beyond them.
    if len(columns) and columns[0] < 0.2 * (x1 - x0) and not (is_crossed and crossed[0] < columns[0] - _BEYOND_PX):
        left = float(x0 + columns[0])
    if len(columns) and columns[-1] > 0.8 * (x1 - x0) and not (is_crossed and crossed[-1] > columns[-1] + _BEYOND_PX):
        right = float(x0 + columns[-1] + 1)
    # The lowest tick's own gridline is not the foot where the plot goes on below it.
    feet = [int(row) for row in rows if foot is not None and foot[0] + 4 < y0 + row <= foot[1]]
    if feet:
        bottom = float(y0 + feet[-1] + 1)
    elif foot is None and len(rows) and rows[-1] > 0.8 * (y1 - y0):
        bottom = float(y0 + rows[-1] + 1)
    if is_crossed:
        left, right = max(left, float(x0 + crossed[0])), min(right, float(x0 + crossed[-1] + 1))
    return PixelBox(left, top, right, bottom)


def choose_axes(page: Page, axes: Sequence[ValueAxis]) -> tuple[ValueAxis | None, ValueAxis | None, ValueAxis | None]:
    """Return (x axis, y axis, second y axis) among the candidates; values printed along a line look like axes too.

    A y axis stands at the side of the image, an x axis below the lowest y tick and across a good part of the image.
    """
    ys = [
        axis
        for axis in axes
        if axis.direction == "y"
        and (axis.box.x_max < 0.35 * page.width or axis.box.x_min > 0.65 * page.width)
        and (axis.fit.slope < 0 or _grows_downwards(axis))
    ]
    ys.sort(key=lambda axis: (axis.fit.slope > 0, -min(len(axis.ticks), 4), axis.box.x_min))
    first = ys[0] if ys else None
    floor = max(tick.position for tick in first.ticks) - page.text_height if first else 0.45 * page.height
    xs = [
        axis
        for axis in axes
        if axis.direction == "x"
        and axis.fit.slope > 0
        and axis.box.center_y >= floor
        and axis.span_px > 0.3 * page.width
    ]
    xs.sort(key=lambda axis: -len(axis.ticks))
    if not xs and first is not None:
        xs = [
            axis for axis in axes if axis.span_px > 0.4 * page.width and axis.fit.slope > 0 and _is_above(axis, first)
        ]
        xs.sort(key=lambda axis: (len(axis.ticks) < 3, -axis.box.center_y))
    second = next(
        (
            axis
            for axis in ys[1:]
            if first is not None
            and abs(axis.box.center_x - first.box.center_x) > 0.3 * page.width
            and min(axis.ticks[-1].position, first.ticks[-1].position)
            - max(axis.ticks[0].position, first.ticks[0].position)
            > 0.5 * first.span_px
        ),
        None,
    )
    return (xs[0] if xs else None), first, second
