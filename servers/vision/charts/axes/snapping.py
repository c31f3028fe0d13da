"""Ticks and grid lines as drawn, on which an axis rests more exactly than on the middles of its labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from servers.vision.charts.axes.calibration import Floats, fit_axis
from servers.vision.charts.axes.value_axis import TickMark, ValueAxis
from servers.vision.charts.picture.page import Page

_TICK_REACH = 1.3  # letter heights from the labels to the ticks' outer ends
_LEAST_PEAK = 2.0  # mean colour difference along the strip; light gridlines reach 3
_TOLERANCE_PX = 1.2


def snapped(page: Page, axis: ValueAxis) -> ValueAxis:
    """Return the axis resting on its drawn ticks or gridlines where those stand beside the labels, else unchanged.

    A label is centred on its tick to about a pixel; the tick itself is known to a fraction of one.
    """
    if axis.fit.stretches:
        return axis
    height = page.text_height
    box = axis.box
    best = axis
    for towards_end in (True, False):
        if axis.direction == "y":
            lo, hi = (
                (box.x_max + 1, box.x_max + _TICK_REACH * height)
                if towards_end
                else (box.x_min - _TICK_REACH * height, box.x_min - 1)
            )
            strip = page.lab[:, round(max(0.0, lo)) : round(max(0.0, hi))]
        else:
            lo, hi = (
                (box.y_max + 1, box.y_max + _TICK_REACH * height)
                if towards_end
                else (box.y_min - _TICK_REACH * height, box.y_min - 1)
            )
            strip = np.swapaxes(page.lab[round(max(0.0, lo)) : round(max(0.0, hi))], 0, 1)
        if strip.shape[1] < 2:
            continue
        # Against the strip's own typical pixel of each column: an axis line along it cancels out.
        away = np.linalg.norm(strip - np.median(strip, axis=0), axis=2)
        profile = np.minimum(away, 30.0).mean(axis=1)
        places = [_peak(profile, tick.position, 0.5 * height) for tick in axis.ticks]
        found = [index for index, place in enumerate(places) if place is not None]
        if len(found) < max(2, 0.6 * len(axis.ticks)):
            continue
        pixels = np.array([places[index] for index in found], dtype=np.float64)
        values = np.array([axis.ticks[index].number for index in found])
        fit = fit_axis(pixels, values, log=axis.fit.log, tolerance_px=_TOLERANCE_PX)
        if (
            fit is not None
            and len(fit.inliers) >= 0.8 * len(found)
            and fit.residual_px < max(0.4, best.fit.residual_px)
        ):
            moved = tuple(TickMark(tick.text, tick.number, fit.pixel(tick.number), tick.box) for tick in axis.ticks)
            best = replace(axis, ticks=moved, fit=fit)
    return best


def _peak(profile: Floats, place: float, reach: float) -> float | None:
    """Return the centre of the thin peak nearest to a place, or None."""
    low, high = max(0, int(place - reach)), min(len(profile), int(place + reach) + 2)
    window = profile[low:high]
    if not len(window) or window.max() < _LEAST_PEAK:
        return None
    strong = np.flatnonzero(window >= 0.5 * window.max())
    groups = np.split(strong, np.flatnonzero(np.diff(strong) > 1) + 1)
    group = min(groups, key=lambda rows: abs(low + rows.mean() + 0.5 - place))
    if len(group) > 3:
        return None
    a, b = max(0, int(group[0]) - 1), min(len(window), int(group[-1]) + 2)
    weight = window[a:b] - min(float(window.min()), float(window[a:b].min()))
    return float(low + (np.arange(a, b) + 0.5) @ weight / weight.sum())
