"""What all ticks of an axis are to be multiplied by, where it is set once at the axis's end: "1e6", "x10^6"."""

from __future__ import annotations

import re
from dataclasses import replace

from servers.vision.charts.axes.power_labels import exponent_of
from servers.vision.charts.axes.value_axis import ValueAxis
from servers.vision.charts.picture.page import Page, TextRun

_E_NOTATION = re.compile(r"[1lI|][eE]([-+–−]?)\s?(\d{1,2})")
_TIMES_TEN = re.compile(r"[x×*X]\s?(1[0oO].{0,4})")
_MOST_EXPONENT = 24


def with_factor(page: Page, axis: ValueAxis) -> ValueAxis:
    """Return the axis with its numbers multiplied by the factor printed at its upper or right end, if there is one."""
    if axis.fit.log or axis.dates is not None or axis.is_years:
        return axis
    for run in page.runs:
        if not _at_end(page, axis, run):
            continue
        exponent = _exponent(page, run, _next_to(page, run))
        if exponent is not None and 0 < abs(exponent) <= _MOST_EXPONENT:
            return _multiplied(axis, exponent)
    return axis


def _at_end(page: Page, axis: ValueAxis, run: TextRun) -> bool:
    height, box = page.text_height, axis.box
    if axis.direction == "y":
        step = axis.span_px / max(1, len(axis.ticks) - 1)
        over = min(tick.box.y_min for tick in axis.ticks) - run.box.y_max
        return (
            -0.3 * height <= over <= max(5 * height, 1.3 * step)
            and -3 * height <= run.box.x_min - box.x_min <= box.width + 3 * height
        )
    beside = run.box.x_max - axis.ticks[-1].box.x_max
    return -2 * height <= run.box.y_min - box.y_max <= 2.5 * height and -3 * height <= beside <= 12 * height


def _next_to(page: Page, run: TextRun) -> str:
    """Return what stands right after a run: a raised exponent may be read by itself."""
    height = page.text_height
    for other in page.runs:
        gap = other.box.x_min - run.box.x_max
        if (
            -height < gap < height
            and other.box.center_x > run.box.x_max
            and (abs(other.box.center_y - run.box.center_y) < 1.2 * height)
        ):
            return other.text.strip()
    return ""


def _exponent(page: Page, run: TextRun, after: str) -> int | None:
    text = run.text.strip()
    plain = _E_NOTATION.fullmatch(text) or _E_NOTATION.fullmatch(re.sub(r"[-–−]+", "-", text + after))
    if plain:
        return -int(plain[2]) if plain[1] in ("-", "–", "−") else int(plain[2])
    if not _TIMES_TEN.fullmatch(text):
        return None
    raised = re.fullmatch(r"([-–−]?)(\d{1,2})", after)
    if raised:
        return -int(raised[2]) if raised[1] else int(raised[2])
    return exponent_of(page, run)


def _multiplied(axis: ValueAxis, exponent: int) -> ValueAxis:
    factor = 10.0**exponent
    ticks = tuple(replace(tick, number=float(f"{tick.number * factor:.12g}")) for tick in axis.ticks)
    fit = replace(axis.fit, slope=axis.fit.slope * factor, intercept=axis.fit.intercept * factor)
    return replace(axis, ticks=ticks, fit=fit)
