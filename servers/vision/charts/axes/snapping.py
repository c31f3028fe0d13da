"""Ticks and grid lines as drawn, on which an axis rests more exactly than on the middles of its labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from servers.vision.charts.axes.calibration import Floats, fit_axis
from servers.vision.charts.axes.value_axis import TickMark, ValueAxis, month_of_seconds
from servers.vision.charts.picture.page import Lab, Page

_TICK_REACH = 1.3  # letter heights from the labels to the ticks' outer ends
_RULE_REACH = 9.0  # the same to where gridlines are looked at
_LEAST_PEAK = 2.0  # mean colour difference along the strip; light gridlines reach 3
_TOLERANCE_PX = 1.2
_THICKEST = 0.2  # letter heights: of a tick mark or gridline
_NEAR = 0.25  # letter heights that a turned label may be off its place beside its tick
_FEWEST_MONTHS = 3


def snapped(page: Page, axis: ValueAxis) -> ValueAxis:
    """Return the axis resting on its drawn ticks or gridlines where those stand beside the labels, else unchanged.

    A label is centred on its tick to about a pixel; the tick itself is known to a fraction of one.
    """
    if axis.fit.stretches:
        return axis
    height, best = page.text_height, axis
    thickest = max(3, round(_THICKEST * height))
    for strip, of_rules in _strips(page, axis):
        if strip.shape[1] < 2 or (of_rules and best is not axis):
            continue
        # Against the strip's own typical pixel of each column: an axis line along it cancels out.
        away = np.minimum(np.linalg.norm(strip - np.median(strip, axis=0), axis=2), 30.0)
        profile = np.median(away, axis=1) if of_rules else away.mean(axis=1)
        shift = _shift(profile, axis, max(2.0, _NEAR * height), thickest) if _is_turned(page, axis) else 0.0
        places = [_peak(profile, tick.position + shift, 0.5 * height, thickest) for tick in axis.ticks]
        moved = _moved(axis, places)
        if moved is not None and _residual(moved) < max(0.4, _residual(best)):
            best = moved
    return best


def _strips(page: Page, axis: ValueAxis) -> Iterator[tuple[Lab, bool]]:
    """Yield (Lab along the axis and across it, whether only rules count there): both sides of the labels, the plot."""
    reach, far, box = _TICK_REACH * page.text_height, _RULE_REACH * page.text_height, axis.box
    lab, low, high = (
        (page.lab, box.x_min, box.x_max)
        if axis.direction == "y"
        else (np.swapaxes(page.lab, 0, 1), box.y_min, box.y_max)
    )
    on_left = low < lab.shape[1] / 2
    # Where labels stand off their ticks, the grid in the plot still shows where those are: marks there are outvoted.
    rules = (high + reach, high + far) if on_left else (low - far, low - reach)
    for begin, end, of_rules in ((high + 1, high + reach, False), (low - reach, low - 1, False), (*rules, True)):
        yield lab[:, round(max(0.0, begin)) : round(max(0.0, end))], of_rules


def _residual(axis: ValueAxis) -> float:
    even = axis.dates.months if axis.dates is not None else None
    return even.residual_px if even is not None else axis.fit.residual_px


def _moved(axis: ValueAxis, places: Sequence[float | None]) -> ValueAxis | None:
    """Return the axis resting on the drawn ticks at these places, or None where too few are there or off a line."""
    found = [index for index, place in enumerate(places) if place is not None]
    if len(found) < max(2, 0.6 * len(axis.ticks)):
        return None
    pixels = np.array([places[index] for index in found], dtype=np.float64)
    values = np.array([axis.ticks[index].number for index in found])
    fit = fit_axis(pixels, values, log=axis.fit.log, tolerance_px=_TOLERANCE_PX)
    dates = axis.dates
    if dates is not None and dates.precision in ("month", "quarter") and len(found) >= _FEWEST_MONTHS:
        even = fit_axis(pixels, np.array([month_of_seconds(number) for number in values]), tolerance_px=_TOLERANCE_PX)
        if (
            even is not None
            and len(even.inliers) == len(found)
            and (fit is None or len(fit.inliers) < len(found) or even.residual_px < 0.6 * fit.residual_px)
        ):
            loose = fit_axis(pixels, values, tolerance_px=max(_TOLERANCE_PX, 3.0 + axis.fit.residual_px))
            dates, fit = replace(dates, months=even), loose
        elif fit is not None:
            dates = replace(dates, months=None)
    if fit is None or len(fit.inliers) < 0.8 * len(found):
        return None
    there = replace(axis, fit=fit, dates=dates)
    ticks = tuple(TickMark(tick.text, tick.number, there.pixel_of(tick.number), tick.box) for tick in axis.ticks)
    return replace(there, ticks=ticks)


def _is_turned(page: Page, axis: ValueAxis) -> bool:
    """Tell whether the labels of an axis are printed at an angle, and point at their ticks with an end or middle."""
    turned = [word.box for word in page.turned]
    return axis.direction == "x" and all(any(box.overlap(tick.box) > 0.5 for box in turned) for tick in axis.ticks)


def _shift(profile: Floats, axis: ValueAxis, near_px: float, thickest: int) -> float:
    """Return by how much all labels stand aside of their ticks: the least shift that puts most on a thin peak."""
    reach = max(tick.box.width for tick in axis.ticks)
    peaks = [
        place
        for x in range(len(profile))
        if profile[x] >= _LEAST_PEAK
        and _is_top(profile, x)
        and (place := _peak(profile, x + 0.5, 2.0, thickest)) is not None
    ]
    places = np.array([tick.position for tick in axis.ticks])
    best = (0.8 * len(places), -reach, 0.0)
    for peak in peaks:
        shift = peak - float(places[0])
        if abs(shift) <= reach:
            met = sum(min(abs(place + shift - other) for other in peaks) <= near_px for place in places.tolist())
            best = max(best, (met, -abs(shift), shift))
    return best[2]


def _is_top(profile: Floats, x: int) -> bool:
    return bool(profile[x] >= profile[max(0, x - 2) : x + 3].max())


def _peak(profile: Floats, place: float, reach: float, thickest: int) -> float | None:
    """Return the centre of the thin peak nearest to a place, or None."""
    low, high = max(0, int(place - reach)), min(len(profile), int(place + reach) + 2)
    window = profile[low:high]
    if not len(window) or window.max() < _LEAST_PEAK:
        return None
    strong = np.flatnonzero(window >= 0.5 * window.max())
    groups = np.split(strong, np.flatnonzero(np.diff(strong) > 1) + 1)
    group = min(groups, key=lambda rows: abs(low + rows.mean() + 0.5 - place))
    if len(group) > thickest:
        return None
    a, b = max(0, int(group[0]) - 1), min(len(window), int(group[-1]) + 2)
    weight = window[a:b] - min(float(window.min()), float(window[a:b].min()))
    total = float(weight.sum())
    return float(low + (np.arange(a, b) + 0.5) @ weight / total) if total > 0 else None
