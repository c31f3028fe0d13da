"""Broken axes: labels beyond a gap that lie on a line of their own, and where the drawn axis is interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from servers.vision.charts.axes.calibration import AxisFit, Floats, Stretch, fit_axis
from servers.vision.charts.axes.number_labels import NumberLabel
from servers.vision.charts.axes.value_axis import TickMark, ValueAxis
from servers.vision.charts.picture.page import Page

_JUMP_STEPS = 1.5  # by how many steps of the axis the labels beyond must be off its line: less is a misread digit
_SAME_SCALE = 0.05
_INK = 20.0  # colour difference at which the drawn axis is seen
_DRAWN = 0.7  # share of the axis's pixels that are ink
_BEYOND = 0.9  # of a step: how far a stretch reaches beyond its outer ticks


def with_break(page: Page, axis: ValueAxis, others: Sequence[NumberLabel]) -> ValueAxis:
    """Return the axis with a second stretch where its other labels, all beyond one end, lie on a line of their own.

    Args:
      others: labels in the axis's column or row that its line does not meet.
    Three labels make a line, two do where they show the same scale as the axis or where its drawn line is interrupted.
    """
    along = "center_y" if axis.direction == "y" else "center_x"
    first, last = axis.ticks[0].position, axis.ticks[-1].position
    for beyond in (
        [label for label in others if getattr(label.run.box, along) < first],
        [label for label in others if getattr(label.run.box, along) > last],
    ):
        pixels = np.array([getattr(label.run.box, along) for label in beyond])
        values = np.array([label.number for label in beyond])
        fit = fit_axis(pixels, values, tolerance_px=max(2.0, 0.25 * page.text_height)) if len(beyond) >= 2 else None
        if fit is None or len(fit.inliers) < len(beyond) or not _continues(axis, fit, pixels, values):
            continue
        ticks = [
            TickMark(label.run.text, label.number, float(getattr(label.run.box, along)), label.run.box)
            for label in beyond
        ]
        inner, outer = (first, max(pixels)) if pixels[0] < first else (last, min(pixels))
        gap = _gap(page, axis, min(inner, outer), max(inner, outer))
        same_scale = abs(fit.slope / axis.fit.slope - 1) < _SAME_SCALE
        if len(beyond) < 3 and gap is None and not same_scale:
            continue
        middle = (inner + outer) / 2
        return _broken(axis, ticks, fit, gap or (middle, middle))
    return axis


def _continues(axis: ValueAxis, fit: AxisFit, pixels: Floats, values: Floats) -> bool:
    """Tell whether labels go on the way the axis does, further than its line says."""
    if fit.slope * axis.fit.slope <= 0:
        return False
    numbers = [tick.number for tick in axis.ticks]
    grows = (pixels[0] < axis.ticks[0].position) == (fit.slope < 0)
    ahead = min(values) > max(numbers) if grows else max(values) < min(numbers)
    step = axis.span_px / max(1, len(axis.ticks) - 1)
    off = min(abs(axis.fit.pixel(float(value)) - pixel) for pixel, value in zip(pixels, values, strict=True))
    return bool(ahead and off > _JUMP_STEPS * step)


def _gap(page: Page, axis: ValueAxis, low: float, high: float) -> tuple[float, float] | None:
    """Return the pixels between which the drawn axis is interrupted, or None where it runs through or is not drawn."""
    reach = 1.5 * page.text_height
    start = axis.box.x_max if axis.direction == "y" else axis.box.y_min - reach
    lab = page.lab if axis.direction == "y" else np.swapaxes(page.lab, 0, 1)
    a, b = round(low), round(high)
    top, foot = round(min(axis.ticks[0].position, low)), round(max(axis.ticks[-1].position, high))
    across = slice(max(0, round(start)), max(0, round(start + reach)))
    whole = np.linalg.norm(lab[top:foot, across] - page.background, axis=2) > _INK
    strip = whole[a - top : b - top]
    if not strip.size or b - a < 3:
        return None
    column = int(whole.mean(axis=0).argmax())
    if whole[:, column].mean() < _DRAWN:
        return None
    bare = np.flatnonzero(~strip[:, column])
    return (a + float(bare[0]), a + float(bare[-1]) + 1.0) if len(bare) >= 2 else None


def _broken(axis: ValueAxis, ticks: Sequence[TickMark], fit: AxisFit, gap: tuple[float, float]) -> ValueAxis:
    stretches = []
    for line, marks in ((replace(axis.fit, stretches=()), axis.ticks), (fit, tuple(ticks))):
        positions = [tick.position for tick in marks]
        step = _BEYOND * (max(positions) - min(positions)) / max(1, len(positions) - 1)
        is_upper = max(positions) <= gap[0] + 1
        low, high = (min(positions) - step, gap[0]) if is_upper else (gap[1], max(positions) + step)
        stretches.append(Stretch(line, low, high))
    stretches.sort(key=lambda stretch: stretch.from_px)
    everything = tuple(sorted((*axis.ticks, *ticks), key=lambda tick: tick.position))
    return replace(axis, ticks=everything, fit=replace(axis.fit, stretches=tuple(stretches)))
