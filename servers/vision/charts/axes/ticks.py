"""Value axes: labels in a column or a row whose numbers lie on a line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from servers.vision.charts.axes.axis_factor import with_factor
from servers.vision.charts.axes.broken_axis import with_break
from servers.vision.charts.axes.calibration import AxisFit, Floats, fit_axis
from servers.vision.charts.axes.date_axis import find_date_axes
from servers.vision.charts.axes.number_labels import NumberLabel, aligned, assembled, tick_value, with_separators_told
from servers.vision.charts.axes.power_labels import powers_of_ten, raised_powers
from servers.vision.charts.axes.snapping import snapped
from servers.vision.charts.axes.value_axis import Direction as Direction
from servers.vision.charts.axes.value_axis import TickMark as TickMark
from servers.vision.charts.axes.value_axis import ValueAxis as ValueAxis
from servers.vision.charts.picture.page import Page, TextRun, quantity
from servers.vision.geometry import PixelBox

_SAFELY_OUTVOTED = 3  # ticks on the line for each label off it


def find_value_axes(page: Page) -> list[ValueAxis]:
    """Return the axes whose tick labels fit a line, the one with the most ticks first."""
    powers = raised_powers(page)
    labels = [
        NumberLabel(run, read.number, read.unit)
        for run in page.runs
        if run not in powers and (read := tick_value(run.text)) is not None
    ]
    axes = find_date_axes(page)
    for direction in ("y", "x"):
        axes += _axes_along(page, labels, "y" if direction == "y" else "x")
    axes = [with_factor(page, axis) for axis in _once_each([snapped(page, axis) for axis in axes])]
    return sorted(axes, key=lambda axis: (-len(axis.ticks), axis.fit.residual_px))


def _once_each(axes: Sequence[ValueAxis]) -> list[ValueAxis]:
    """Return the axes without those that share a label with one of the same direction that has more ticks."""
    kept: list[ValueAxis] = []
    for axis in sorted(axes, key=lambda axis: -len(axis.ticks)):
        others = [tick.box for other in kept if other.direction == axis.direction for tick in other.ticks]
        if not any(tick.box.overlap(box) > 0.5 for tick in axis.ticks for box in others):
            kept.append(axis)
    return kept


def _axes_along(page: Page, labels: Sequence[NumberLabel], direction: Direction) -> list[ValueAxis]:
    tolerance = 0.7 * page.text_height
    edges = ("x_max", "x_min", "center_x") if direction == "y" else ("center_y",)
    groups = [group for edge in edges for group in aligned(labels, edge, tolerance)]
    refused = {label.run.box for group in groups if _is_symmetric_log(group, direction) for label in group}
    if refused:
        page.cuts.add("symmetric_log_axis", "an axis is logarithmic on both sides of zero; it is not measured")
    found = []
    for group in groups:
        axis = _axis_of(page, group, direction)
        if axis is not None:
            found.append(axis)
    # After the others, which are preferred: 10 and 100 are seldom raised exponents read level.
    for edge in edges:
        found += powers_of_ten(page, edge, tolerance, direction)
    return [axis for axis in found if not refused & {tick.box for tick in axis.ticks}]


def _axis_of(page: Page, group: Sequence[NumberLabel], direction: Direction) -> ValueAxis | None:
    along = "center_y" if direction == "y" else "center_x"
    pixels = np.array([getattr(label.run.box, along) for label in group])
    values = np.array([label.number for label in group])
    tolerance = max(2.0, 0.25 * page.text_height)
    linear = fit_axis(pixels, values, tolerance_px=tolerance)
    logarithmic = fit_axis(pixels, values, log=True, tolerance_px=tolerance)
    fit = linear
    round_steps = logarithmic is not None and _is_log_like(values[list(logarithmic.inliers)])
    if logarithmic and round_steps and (linear is None or len(logarithmic.inliers) > len(linear.inliers)):
        fit = logarithmic
    # No linear axis is labelled 10 and 100 alone.
    if logarithmic and len(group) == 2 and _are_decades(values):
        fit = logarithmic
    if fit is None:
        return None
    regrouped = with_separators_told(group, pixels, fit, tolerance)
    if regrouped is not None:
        return _axis_of(page, regrouped, direction)
    if direction == "y" and not fit.log and fit.slope > 0 and _have_tick_marks_for_signs(page, group):
        return _axis_of(page, [replace(label, number=abs(label.number)) for label in group], direction)
    inliers = [group[index] for index in fit.inliers]
    span = float(np.ptp(pixels[list(fit.inliers)]))
    if len(inliers) == 2 and direction == "y" and not fit.log:
        confirmed = _read_neighbours(page, inliers, fit)
        if confirmed:
            inliers = [*inliers, *confirmed]
            refit = fit_axis(
                np.array([label.run.box.center_y for label in inliers]),
                np.array([label.number for label in inliers]),
                tolerance_px=tolerance,
            )
            if refit is not None and len(refit.inliers) >= 3:
                return assembled(direction, [inliers[index] for index in refit.inliers], refit)
    # Two labels always fit a line: they count only where they are far apart and nothing else stands in the column.
    least = 12 if not fit.log else 5
    if len(inliers) < 3 and not (len(group) == 2 and span > least * page.text_height):
        return None
    if span < 4 * page.text_height or len({label.number for label in inliers}) < 2:
        return None
    if direction == "y" and not fit.log and len(inliers) < 4 and fit.slope > 0 and len(group) > len(inliers):
        return None
    axis = assembled(direction, inliers, fit)
    others = [label for label in group if label not in inliers]
    if not fit.log:
        axis = with_break(page, axis, others)
    return axis if axis.fit.stretches else _with_misread_told(axis, others)


def _with_misread_told(axis: ValueAxis, others: Sequence[NumberLabel]) -> ValueAxis:
    """Return the axis with a note where many labels between its ticks are off its line; few are outvoted safely."""
    along = "center_y" if axis.direction == "y" else "center_x"
    first, last = axis.ticks[0].position, axis.ticks[-1].position
    off = [label.run.text for label in others if first < getattr(label.run.box, along) < last]
    if len(off) * _SAFELY_OUTVOTED < len(axis.ticks):
        return axis
    told = f"labels of the axis that do not lie on its scale were left out: {', '.join(off)}"
    return replace(axis, notes=(*axis.notes, ("ticks_disagree", told[:500])))


def _have_tick_marks_for_signs(page: Page, group: Sequence[NumberLabel]) -> bool:
    """Tell whether the labels right of a plot all carry a minus sign, as ticks that touch them are read.

    The caller knows that the numbers would then grow downwards.
    """
    return all(
        label.run.box.x_min > 0.5 * page.width and re.match(r"[-–—−_]", label.run.text.strip()) and label.number <= 0
        for label in group
    )


def _are_decades(values: Floats) -> bool:
    """Tell whether positive numbers are powers of ten."""
    return bool((values > 0).all() and np.allclose(np.log10(values), np.rint(np.log10(values)), atol=1e-9))


def _is_symmetric_log(group: Sequence[NumberLabel], direction: Direction) -> bool:
    """Tell whether labels run over powers of ten on one side of zero and go on beyond zero."""
    along = "center_y" if direction == "y" else "center_x"
    ordered = np.array([label.number for label in sorted(group, key=lambda label: getattr(label.run.box, along))])
    if ordered[0] > ordered[-1]:
        ordered = ordered[::-1]
    sizes = np.abs(ordered[ordered != 0])
    return bool(
        len(ordered) >= 4
        and (np.diff(ordered) > 0).all()
        and ordered[0] <= 0 < ordered[-1]
        and len(sizes)
        and sizes.max() / sizes.min() > 5
        and _are_decades(sizes)
        and len(np.unique(sizes)) >= 2
    )


def _read_neighbours(page: Page, pair: Sequence[NumberLabel], fit: AxisFit) -> list[NumberLabel]:
    """Return ticks that recognition of the image missed, read where two others say they stand; others stay unread."""
    upper, lower = sorted(pair, key=lambda label: label.run.box.center_y)
    over, under, first = upper.run.box, lower.run.box, upper.number
    step_px, step = under.center_y - over.center_y, lower.number - first
    column = PixelBox(min(over.x_min, under.x_min), 0.0, max(over.x_max, under.x_max), 0.0)
    at_side = column.x_max < 0.3 * page.width or column.x_min > 0.7 * page.width
    if fit.log or step >= 0 or not at_side or step_px < 2 * page.text_height:
        return []
    found = []
    for k in (-3, -2, -1, 2, 3, 4):
        y, number = over.center_y + k * step_px, float(f"{first + k * step:.10g}")
        half = 0.8 * page.text_height
        box = PixelBox(column.x_min - 1.5 * page.text_height, y - half, column.x_max + 1, y + half)
        if box.x_min < 0 or box.y_min < 0 or box.y_max > page.height:
            box = box.clipped(page.width, page.height)
        word = page.read_word(box, digits_only=True) if box.height > half else None
        read = quantity(word.text) if word is not None else None
        if word is not None and read is not None and abs(read.number - number) <= 1e-6 * max(1.0, abs(number)):
            at = PixelBox(box.x_min + word.box.x_min, y - half / 2, box.x_min + word.box.x_max, y + half / 2)
            found.append(NumberLabel(TextRun((word,), at, word.text), number, upper.unit))
    return found


def _is_log_like(values: Floats) -> bool:
    """Tell whether the numbers are ones a log axis prints: 1, 2, 3 or 5 times a power of ten, or powers of two."""
    mantissa = values / 10.0 ** np.floor(np.log10(values) + 1e-9)
    decimal = np.isin(np.round(mantissa, 3), (1.0, 2.0, 3.0, 5.0)).all()
    binary = np.allclose(np.log2(values), np.rint(np.log2(values)))
    return bool(decimal or binary)
