"""Value axes: labels in a column or a row whose numbers lie on a line."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from servers.vision.charts.calibration import AxisFit, Floats, fit_axis
from servers.vision.charts.date_axis import find_date_axes
from servers.vision.charts.page import Page, TextRun, quantity
from servers.vision.charts.snapping import snapped
from servers.vision.charts.value_axis import Direction as Direction
from servers.vision.charts.value_axis import TickMark as TickMark
from servers.vision.charts.value_axis import ValueAxis as ValueAxis
from servers.vision.geometry import PixelBox


def find_value_axes(page: Page) -> list[ValueAxis]:
    """Return the axes whose tick labels fit a line, the one with the most ticks first."""
    numeric = [(run, read.number, read.unit) for run in page.runs if (read := quantity(run.text)) is not None]
    axes = find_date_axes(page)
    for direction in ("y", "x"):
        axes += _axes_along(page, numeric, "y" if direction == "y" else "x")
    axes = _once_each([snapped(page, axis) for axis in axes])
    return sorted(axes, key=lambda axis: (-len(axis.ticks), axis.fit.residual_px))


def _once_each(axes: Sequence[ValueAxis]) -> list[ValueAxis]:
    """Return the axes without those that share a label with one of the same direction that has more ticks."""
    kept: list[ValueAxis] = []
    for axis in sorted(axes, key=lambda axis: -len(axis.ticks)):
        others = [tick.box for other in kept if other.direction == axis.direction for tick in other.ticks]
        if not any(tick.box.overlap(box) > 0.5 for tick in axis.ticks for box in others):
            kept.append(axis)
    return kept


def _axes_along(page: Page, numeric: Sequence[tuple[TextRun, float, str]], direction: Direction) -> list[ValueAxis]:
    tolerance = 0.7 * page.text_height
    edges = ("x_max", "x_min", "center_x") if direction == "y" else ("center_y",)
    found: list[ValueAxis] = []
    for edge in edges:
        for group in _aligned(numeric, edge, tolerance):
            axis = _axis_of(page, group, direction)
            if axis is not None:
                found.append(axis)
        powers = _powers_of_ten(page, edge, tolerance, direction)
        found += powers
    return found


def _aligned(
    numeric: Sequence[tuple[TextRun, float, str]], edge: str, tolerance: float
) -> list[list[tuple[TextRun, float, str]]]:
    """Return groups of numeric runs whose edge is the same to within the tolerance."""
    ordered = sorted(numeric, key=lambda item: getattr(item[0].box, edge))
    groups: list[list[tuple[TextRun, float, str]]] = []
    for item in ordered:
        place = getattr(item[0].box, edge)
        if groups and place - np.median([getattr(member[0].box, edge) for member in groups[-1]]) <= tolerance:
            groups[-1].append(item)
        else:
            groups.append([item])
    return [group for group in groups if len(group) >= 2]


def _axis_of(page: Page, group: Sequence[tuple[TextRun, float, str]], direction: Direction) -> ValueAxis | None:
    along = "center_y" if direction == "y" else "center_x"
    pixels = np.array([getattr(run.box, along) for run, _, _ in group])
    values = np.array([number for _, number, _ in group])
    tolerance = max(2.0, 0.25 * page.text_height)
    linear = fit_axis(pixels, values, tolerance_px=tolerance)
    logarithmic = fit_axis(pixels, values, log=True, tolerance_px=tolerance)
    fit = linear
    round_steps = logarithmic is not None and _is_log_like(values[list(logarithmic.inliers)])
    if logarithmic and round_steps and (linear is None or len(logarithmic.inliers) > len(linear.inliers)):
        fit = logarithmic
    if fit is None:
        return None
    inliers = [group[index] for index in fit.inliers]
    span = float(np.ptp(pixels[list(fit.inliers)]))
    if len(inliers) == 2 and direction == "y":
        confirmed = _read_neighbours(page, inliers, fit)
        if confirmed:
            inliers = [*inliers, *confirmed]
            refit = fit_axis(
                np.array([run.box.center_y for run, _, _ in inliers]),
                np.array([number for _, number, _ in inliers]),
                tolerance_px=tolerance,
            )
            if refit is not None and len(refit.inliers) >= 3:
                return _assemble(direction, [inliers[index] for index in refit.inliers], refit)
    # Two labels always fit a line: they count only where they are far apart and nothing else stands in the column.
    if len(inliers) < 3 and not (len(group) == 2 and span > 12 * page.text_height):
        return None
    if span < 4 * page.text_height or len({number for _, number, _ in inliers}) < 2:
        return None
    if direction == "y" and not fit.log and len(inliers) < 4 and fit.slope > 0 and len(group) > len(inliers):
        return None
    return _assemble(direction, inliers, fit)


def _read_neighbours(
    page: Page, pair: Sequence[tuple[TextRun, float, str]], fit: AxisFit
) -> list[tuple[TextRun, float, str]]:
    """Return ticks that recognition of the image missed, read where two others say they stand; others stay unread."""
    (upper, first, unit), (lower, second, _) = sorted(pair, key=lambda item: item[0].box.center_y)
    step_px, step = lower.box.center_y - upper.box.center_y, second - first
    column = PixelBox(min(upper.box.x_min, lower.box.x_min), 0.0, max(upper.box.x_max, lower.box.x_max), 0.0)
    at_side = column.x_max < 0.3 * page.width or column.x_min > 0.7 * page.width
    if fit.log or step >= 0 or not at_side or step_px < 2 * page.text_height:
        return []
    found = []
    for k in (-3, -2, -1, 2, 3, 4):
        y, number = upper.box.center_y + k * step_px, float(f"{first + k * step:.10g}")
        half = 0.8 * page.text_height
        box = PixelBox(column.x_min - 1.5 * page.text_height, y - half, column.x_max + 1, y + half)
        if box.x_min < 0 or box.y_min < 0 or box.y_max > page.height:
            box = box.clipped(page.width, page.height)
        word = page.read_word(box, digits_only=True) if box.height > half else None
        read = quantity(word.text) if word is not None else None
        if word is not None and read is not None and abs(read.number - number) <= 1e-6 * max(1.0, abs(number)):
            at = PixelBox(box.x_min + word.box.x_min, y - half / 2, box.x_min + word.box.x_max, y + half / 2)
            found.append((TextRun((word,), at, word.text), number, unit))
    return found


def _is_log_like(values: Floats) -> bool:
    """Tell whether the numbers are ones a log axis prints: 1, 2, 3 or 5 times a power of ten, or powers of two."""
    mantissa = values / 10.0 ** np.floor(np.log10(values) + 1e-9)
    decimal = np.isin(np.round(mantissa, 3), (1.0, 2.0, 3.0, 5.0)).all()
    binary = np.allclose(np.log2(values), np.rint(np.log2(values)))
    return bool(decimal or binary)


def _assemble(direction: Direction, inliers: Sequence[tuple[TextRun, float, str]], fit: AxisFit) -> ValueAxis:
    along = "center_y" if direction == "y" else "center_x"
    ticks = sorted(
        (TickMark(run.text, number, float(getattr(run.box, along)), run.box) for run, number, _ in inliers),
        key=lambda tick: tick.position,
    )
    units = [unit for _, _, unit in inliers if unit]
    unit = max(set(units), key=units.count) if units else ""
    years = all(
        tick.number == int(tick.number) and 1500 <= tick.number <= 2199 and re.fullmatch(r"\D?\d{4}\D?", tick.text)
        for tick in ticks
    )
    return ValueAxis(direction, tuple(ticks), fit, unit, bool(years) and not unit)


def _powers_of_ten(page: Page, edge: str, tolerance: float, direction: Direction) -> list[ValueAxis]:
    """Return log axes printed as 10 with a raised exponent, which recognition reads as 10?, 102 or 10°.

    Exponents of evenly spaced ticks are consecutive, so the readable ones say what the others are.
    """
    # The exponent may be read as a second word, or as a digit glued to the ten.
    tens = [(run, 0.0, "") for run in page.runs if re.fullmatch(r"1[0oO][^.,%]{0,3}", run.text.strip())]
    along = "center_y" if direction == "y" else "center_x"
    axes = []
    for group in _aligned(tens, edge, 2 * tolerance):
        ordered = sorted(group, key=lambda item: getattr(item[0].box, along), reverse=direction == "y")
        # A raised exponent lifts the label's middle; the ten itself is centred on the tick.
        lift = 0.5 * page.text_height
        places = np.array([run.box.y_max - lift if direction == "y" else run.box.center_x for run, _, _ in ordered])
        steps = np.abs(np.diff(places))
        if len(steps) == 0 or np.min(steps) < 2 * page.text_height:
            continue
        unit_step = float(np.min(steps))
        ranks = np.rint(np.abs(places - places[0]) / unit_step)
        exponents = [_exponent(page, run) for run, _, _ in ordered]
        votes = [read - int(rank) for read, rank in zip(exponents, ranks, strict=True) if read is not None]
        if not votes:
            continue
        first = max(set(votes), key=votes.count)
        if votes.count(first) * 2 < len(votes) or (len(ordered) == 2 and votes.count(first) < 1):
            continue
        values = np.array([10.0 ** (first + rank) for rank in ranks])
        fit = fit_axis(places, values, log=True, tolerance_px=max(3.0, 0.4 * page.text_height))
        if fit is not None and len(fit.inliers) >= 2:
            axes.append(_assemble(direction, [(ordered[k][0], float(values[k]), "") for k in fit.inliers], fit))
    return axes


def _exponent(page: Page, run: TextRun) -> int | None:
    """Return the raised exponent of a ten: from the label's text, else from its upper right part read by itself."""
    found = re.search(r"(?<=1[0oO])\s?\^?(-?\d)$", run.text.strip())
    if found:
        return int(found[1])
    box = run.box
    raised = PixelBox(box.x_min + 0.62 * box.width, box.y_min - 2, box.x_max + 3, box.y_min + 0.62 * box.height + 1)
    text = page.read(raised, digits_only=True)
    return int(text) if re.fullmatch(r"-?\d", text) else None
