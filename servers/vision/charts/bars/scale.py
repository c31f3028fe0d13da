"""From bar lengths to values: by the axis, or by the printed values where no axis is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from servers.vision.charts.axes.calibration import AxisFit
from servers.vision.charts.axes.ticks import ValueAxis
from servers.vision.charts.bars.bar import Bar, BarChart
from servers.vision.charts.bars.printed import PrintedValue

_EDGE_PX = 1.5  # bar edges and axis lines are each known to about a pixel
_SNAP_PX = 4.0
_SURE_TICKS, _STRAY_LETTERS, _FAR = 3, 2, 2.0


@dataclass(frozen=True, slots=True)
class BarScale:
    """How long a bar of value 1 is."""

    fit: AxisFit | None
    """Of the value axis, when one could be read."""
    per_pixel: float
    """Value of a pixel of bar, where printed values set the scale."""
    stacked: bool
    baseline: float | None = None
    """Where all bars begin, if not just where the axis as read has its zero."""

    def base(self, bar: Bar) -> float | None:
        """Return the pixel from which the axis measures a bar, None for its zero."""
        return bar.start if self.stacked else self.baseline

    def value(self, bar: Bar) -> float:
        """Return what the bar's ends say."""
        if self.fit is None:
            return abs(bar.end - bar.start) * self.per_pixel
        base = self.base(bar)
        return self.fit.value(bar.end) - (self.fit.value(base) if base is not None else 0.0)

    def tolerance(self, value: float, bar: Bar) -> float:
        """Return how far a right label may be from the measured value."""
        if self.fit is None:
            pixel = self.per_pixel
        elif self.fit.log:
            pixel = abs(self.fit.value(bar.end + 1) - self.fit.value(bar.end))
        else:
            pixel = abs(self.fit.slope)
        return max(0.05 * abs(value), 2 * _EDGE_PX * abs(pixel))


def axis_for(chart: BarChart, axes: Sequence[ValueAxis]) -> ValueAxis | None:
    """Return the value axis of the bars: it runs along them, stands beside them and covers their ends."""
    frame = chart.frame
    wanted = "y" if frame.vertical else "x"
    lo, hi = min(lane[0] for lane in chart.lanes), max(lane[1] for lane in chart.lanes)
    ends = [v for bar in chart.bars for v in (bar.start, bar.end)]
    best: tuple[float, ValueAxis] | None = None
    for axis in axes:
        if axis.direction != wanted or axis.dates is not None or axis.is_years:
            continue
        beside = all(
            sum(frame.across(t.box)) / 2 < lo + 0.3 * chart.thickness
            or sum(frame.across(t.box)) / 2 > hi - 0.3 * chart.thickness
            for t in axis.ticks
        )
        if not beside:
            continue
        places = [tick.position for tick in axis.ticks]
        shared = min(max(places), max(ends)) - max(min(places), min(ends))
        if shared < 0.25 * (max(places) - min(places)) or (
            (axis.fit.slope > 0) == frame.vertical and len(axis.ticks) < 4
        ):
            continue
        left = sum(sum(frame.across(t.box)) / 2 < lo + 0.3 * chart.thickness for t in axis.ticks) * 2 > len(axis.ticks)
        # Of two value axes standing bars are measured on the left one, as libraries draw them first.
        preferred = 1.5 if left and len(axis.ticks) > 2 else 0.0
        score = min(len(axis.ticks), 4) + preferred + 0.02 * len(axis.ticks) - 0.1 * axis.fit.residual_px
        if best is None or score > best[0]:
            best = (score, axis)
    return best[1] if best else None


def bar_scale(chart: BarChart, axis: ValueAxis | None, printed: Mapping[int, PrintedValue]) -> BarScale | None:
    """Return the scale most printed values agree with; None where there is neither axis nor value."""
    stacked = chart.stacked
    candidates: list[BarScale] = []
    if axis is not None:
        fit = _snapped(axis.fit, chart)
        candidates.append(BarScale(fit, 0.0, stacked, chart.baseline if fit is not axis.fit else None))
    ratios = [
        abs(value.number) / abs(chart.bars[index].end - chart.bars[index].start)
        for index, value in printed.items()
        if abs(chart.bars[index].end - chart.bars[index].start) >= 3 and value.number
    ]
    # Stray marks read as digits must not outvote an axis; without one, two values are all there may be.
    if len(ratios) >= (max(3, 0.4 * len(chart.bars)) if axis is not None else 1):
        candidates.append(BarScale(None, float(np.median(ratios)), stacked))
    if not candidates:
        return None
    agreed = [agreement(scale, chart, printed) for scale in candidates]
    # The axis is preferred unless the labels clearly contradict it: then its ticks were misread.
    best = int(
        np.argmax([score + (0.25 if scale.fit else 0.0) for scale, score in zip(candidates, agreed, strict=True)])
    )
    return candidates[best]


def without_strays(
    chart: BarChart, axis: ValueAxis | None, printed: Mapping[int, PrintedValue]
) -> dict[int, PrintedValue]:
    """Return the values without one or two characters that are far from their bars: pieces of marks read as digits."""
    if axis is None or len(axis.ticks) < _SURE_TICKS or axis.fit.log:
        return dict(printed)
    per_pixel = abs(axis.fit.slope)
    return {
        index: value
        for index, value in printed.items()
        if len(value.text) > _STRAY_LETTERS
        or 1 / _FAR <= _ratio(value.number, per_pixel * abs(chart.bars[index].end - chart.bars[index].start)) <= _FAR
    }


def _ratio(one: float, other: float) -> float:
    return abs(one) / abs(other) if other else float("inf")


def agreement(scale: BarScale, chart: BarChart, printed: Mapping[int, PrintedValue]) -> float:
    """Return the share of printed values that the bars' lengths confirm; 0 for none."""
    if not printed:
        return 0.0
    agreeing = 0
    for index, value in printed.items():
        measured = scale.value(chart.bars[index])
        agreeing += abs(abs(measured) - abs(value.number)) <= scale.tolerance(value.number, chart.bars[index])
    return agreeing / len(printed)


def length_confidence(length_px: float, residual_px: float) -> float:
    """Return the probability that a length is within 5 %, its error normal: half a pixel and the axis' residual."""
    sigma = math.hypot(0.5, max(0.2, residual_px))
    return float(np.clip(math.erf(0.05 * abs(length_px) / (sigma * math.sqrt(2))), 0.05, 0.97))


def _snapped(fit: AxisFit, chart: BarChart) -> AxisFit:
    """Return the fit moved so that bars begin at 0 where they nearly do: label centres are a pixel off."""
    if fit.log or chart.baseline is None or not fit.slope:
        return fit
    off = fit.pixel(0.0) - chart.baseline
    if fit.stretches or abs(off) > _SNAP_PX:
        return fit
    return AxisFit(fit.slope, -fit.slope * chart.baseline, fit.log, fit.residual_px, fit.inliers)
