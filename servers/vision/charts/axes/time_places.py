"""Places on an axis of dates: where a course has its data, each named by its date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from servers.vision.charts.axes.calendar_steps import CalendarStep, finest_step, pixels_of, step_of
from servers.vision.charts.axes.calibration import fit_axis
from servers.vision.charts.axes.value_axis import DateScale, TickMark, ValueAxis
from servers.vision.dates import DAY_S, PRECISIONS, date_parts
from servers.vision.geometry import PixelBox

MARKER_PX = 1.6
"""How far a marker's middle may be off its date."""
BEND_PX = 2.6
"""The same for the point where a line bends."""
_MARKED_SHARE = 0.6  # of the bends that lie at markers
_MARKER_REACH_PX = 9.0  # the outline of a marker bends too
_MARKER_REACH = 0.05  # the same of the distance between markers, in large pictures
_SAMPLED_PX = 12.0  # between the places of a course too dense for its data points to be told
_REGULAR_SHARE = 0.3  # of a step's dates on which bends lie; the others then lie on straight pieces
_ALL_MARKED = 0.8
_FEWEST_TICKS = 4
_MOST_A_TICK = 6  # lines bend at each
_LONGEST_STEP_S = 366 * DAY_S


@dataclass(frozen=True, slots=True)
class Place:
    """One x at which a value is read."""

    label: str
    x: float
    box: PixelBox | None
    number: float | None
    """What the label says on a measuring x axis: a number, a year, or seconds since 1970."""


def as_dates(axis: ValueAxis) -> ValueAxis:
    """Return an axis of plain years with the first of January of each in seconds instead."""
    ticks = tuple(
        TickMark(tick.text, datetime(round(tick.number), 1, 1, tzinfo=UTC).timestamp(), tick.position, tick.box)
        for tick in axis.ticks
    )
    fit = fit_axis(
        np.array([tick.position for tick in ticks]), np.array([tick.number for tick in ticks]), tolerance_px=4.0
    )
    return replace(axis, ticks=ticks, fit=fit or axis.fit, is_years=False, dates=DateScale("year"))


def are_markers(marker_xs: Sequence[float], bends: Sequence[float]) -> bool:
    """Tell whether markers say where data is: lines that cross are thick too, but bend far from there as well."""
    if len(marker_xs) < 3:
        return False
    spacing = float(np.min(np.diff(np.sort(marker_xs))))
    reach = min(max(_MARKER_REACH_PX, _MARKER_REACH * spacing), 0.35 * spacing)
    near = [min(abs(x - marker) for marker in marker_xs) <= reach for x in bends]
    return sum(near) >= _MARKED_SHARE * len(bends)


def places_in_time(axis: ValueAxis, marker_xs: Sequence[float], bends: Sequence[float]) -> list[Place]:
    """Return the dates at which courses have their data, left to right; of a dense course, dates at even distances.

    Args:
      axis: with dates.
      marker_xs: pixels of markers.
      bends: pixels where the courses bend, their ends included.
    """
    has_markers = are_markers(marker_xs, bends)
    xs, tolerance = (marker_xs, MARKER_PX) if has_markers else (bends, BEND_PX)
    if not xs or _are_ticks(axis, xs):
        return [_place(axis, tick.number, None) for tick in axis.ticks]
    step = step_of(axis, xs, tolerance)
    if step is None and has_markers:
        return marked_places(axis, marker_xs)
    chosen = step or finest_step(axis, _SAMPLED_PX)
    dates = chosen.dates(axis.number_at(min(xs) - tolerance), axis.number_at(max(xs) + tolerance))
    if step is not None and len(dates):
        pixels = pixels_of(axis, dates)
        is_met = np.abs(np.asarray(xs)[:, None] - pixels[None, :]).min(axis=0) <= tolerance
        if float(is_met.mean()) < (_ALL_MARKED if has_markers else _REGULAR_SHARE):
            dates = dates[is_met]
    return [_place(axis, float(date), chosen) for date in dates]


def _are_ticks(axis: ValueAxis, xs: Sequence[float]) -> bool:
    """Tell whether data stands at every tick and nowhere else: the labels then say more than a calendar step."""
    ticks = np.array([tick.position for tick in axis.ticks])
    places = np.asarray(xs)
    if len(ticks) < _FEWEST_TICKS or not len(ticks) <= len(places) <= _MOST_A_TICK * len(ticks):
        return False
    off = np.abs(places[:, None] - ticks[None, :])
    return bool(off.min(axis=1).max() <= BEND_PX and off.min(axis=0).max() <= BEND_PX)


def marked_places(axis: ValueAxis, xs: Sequence[float]) -> list[Place]:
    """Return the date at each pixel: a regular one where all are, else one as fine as a pixel tells.

    Args:
      axis: with dates.
    """
    step = step_of(axis, xs, MARKER_PX) or finest_step(axis, 1.0)
    places = []
    for x in xs:
        number = axis.number_at(x)
        reach = abs(axis.number_at(x + 2 * MARKER_PX) - number) + _LONGEST_STEP_S
        dates = step.dates(number - reach, number + reach)
        nearest = float(dates[np.argmin(np.abs(dates - number))]) if len(dates) else number
        places.append(_place(axis, nearest, step))
    return places


def _place(axis: ValueAxis, number: float, step: CalendarStep | None) -> Place:
    assert axis.dates is not None
    x = axis.pixel_of(number)
    tick = min(axis.ticks, key=lambda tick: abs(tick.position - x))
    if abs(tick.position - x) <= BEND_PX and abs(axis.pixel_of(tick.number) - x) <= 1.0:
        is_whole = any(parts.missing is None for parts in date_parts(tick.text))
        return Place(tick.text if is_whole else axis.text_of(tick.number), x, tick.box, tick.number)
    finer = max(axis.dates.precision, step.precision if step else "year", key=PRECISIONS.index)
    return Place(axis.text_of(number, finer), x, None, number)
