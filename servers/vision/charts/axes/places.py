"""Where a line or an area is read: labelled places along x, completed where recognition left a gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loupe.type.v1 import figure_pb2
from servers.vision.charts import messages
from servers.vision.charts.axes.calendar_steps import step_of
from servers.vision.charts.axes.categories import labels_below
from servers.vision.charts.axes.named_places import completed, level_places, slanted_places
from servers.vision.charts.axes.time_places import BEND_PX, MARKER_PX, are_markers, as_dates, places_in_time
from servers.vision.charts.axes.time_places import Place as Place
from servers.vision.charts.axes.value_axis import ValueAxis
from servers.vision.charts.picture.page import Page
from servers.vision.geometry import PixelBox

_MARKED_YEARS = 0.4  # of the years, from which on all of them hold data


@dataclass(frozen=True, slots=True)
class XReading:
    """Where values are read along x."""

    places: tuple[Place, ...]
    axis: ValueAxis | None
    """What measures the places; None where they have names only."""


def x_value(place: Place, number: float, foot: float) -> figure_pb2.Value:
    """Return a place's number as the x of a point: printed where a label says it, else measured on the axis.

    Args:
      foot: y of the axis.
    """
    if place.box is not None:
        value = messages.printed(number, place.label, place.box, 0.97)
    else:
        value = messages.measured(number, PixelBox(place.x - 1, foot - 1, place.x + 1, foot + 1), 0.9)
        value.number = number  # seconds since 1970 need all their digits
    value.position_px = place.x
    return value


def places_along(
    page: Page,
    plot: PixelBox,
    axis: ValueAxis | None,
    marker_xs: Sequence[float],
    bends: Sequence[float],
    *,
    exclude: Sequence[PixelBox],
) -> list[Place]:
    """Return the places, left to right: ticks of a measuring axis, category labels, or turned labels at the data."""
    if axis is not None:
        return _on_axis(axis)
    level = level_places(page, plot, exclude)
    if len(level) >= 2 and len(level) * 2.5 >= len(marker_xs):
        return completed(page, level, marker_xs)
    if len(marker_xs) >= 3:
        labels = labels_below(page, list(marker_xs), plot.y_max, exclude=exclude)
        if sum(bool(label.text) for label in labels) * 2 >= len(marker_xs):
            return [
                Place(label.text, x, label.box, None) for label, x in zip(labels, marker_xs, strict=True) if label.text
            ]
    slanted = slanted_places(page, plot, bends, exclude)
    return slanted if len(slanted) > max(1, len(level)) else level if len(level) >= 2 else []


def read_places(
    page: Page,
    plot: PixelBox,
    axis: ValueAxis | None,
    marker_xs: Sequence[float],
    bends: Sequence[float],
    *,
    exclude: Sequence[PixelBox],
) -> XReading:
    """Return where lines or areas are read, and the x axis that says what stands there.

    Args:
      marker_xs: pixels of markers, those of several lines at one x as one.
      bends: pixels where the courses bend, their ends included.
      exclude: boxes of text that names no place.
    """
    places = places_along(page, plot, axis, marker_xs, bends, exclude=exclude)
    if axis is None:
        return XReading(tuple(places), None)
    if axis.dates is not None:
        return XReading(tuple(places_in_time(axis, marker_xs, bends)), axis)
    if axis.is_years:
        dated = as_dates(axis)
        has_markers = are_markers(marker_xs, bends)
        xs, tolerance = (marker_xs, MARKER_PX) if has_markers else (bends, BEND_PX)
        step = step_of(dated, xs, tolerance)
        # Months between the years that are labelled: then the axis measures dates.
        if step is not None and step.months != 12:
            return XReading(tuple(places_in_time(dated, marker_xs, bends)), dated)
        # Between labelled years that are skipped, markers tell where data is; what is labelled is data in any case.
        if step is not None and len(xs) >= max(3, 1.2 * len(places)):
            marked = {at_value(axis, x, 1.0, places) for x in xs}
            years = range(round(axis.fit.value(min(xs))), round(axis.fit.value(max(xs))) + 1)
            if len(marked) >= _MARKED_YEARS * len(years):
                # Where a line runs straight through a year it does not bend.
                marked |= {at_value(axis, axis.fit.pixel(year), 1.0, places) for year in years}
            return XReading(tuple(sorted({*places, *marked}, key=lambda place: place.x)), axis)
    elif len(marker_xs) >= max(3, 1.2 * len(places)):
        step_value = round_step(axis, marker_xs)
        found = [at_value(axis, x, step_value if step_value else _pixel_step(axis, x), places) for x in marker_xs]
        return XReading(tuple(found), axis)
    return XReading(tuple(at_bends(places, axis, bends)), axis)


def _pixel_step(axis: ValueAxis, x: float) -> float:
    """Return the decimal step of which a pixel is worth about one."""
    worth = abs(axis.fit.value(x + 0.5) - axis.fit.value(x - 0.5))
    return float(10.0 ** np.ceil(np.log10(max(1e-12, 0.8 * worth))))


def at_bends(places: Sequence[Place], axis: ValueAxis, bends: Sequence[float]) -> list[Place]:
    """Return the places where lines bend instead of the ticks, if those are plainly the data.

    A polyline's data points are its bends. Ticks where no line bends hold no data point; bends between ticks do.
    Bends count only where each lies at a round value: else they are noise of a dense course.
    """
    if len(places) < 3 or len(bends) < 2:
        return list(places)
    spacing = float(np.median(np.diff([place.x for place in places])))
    groups: list[list[float]] = []
    for x in sorted(bends):
        if groups and x - groups[-1][0] <= max(BEND_PX, 0.08 * spacing):
            groups[-1].append(x)
        else:
            groups.append([x])
    xs = [float(np.median(group)) for group in groups]
    step = round_step(axis, xs)
    if step is None or len(xs) > len(places) + 2:
        return list(places)
    inner = [place for place in places if xs[0] - 3 <= place.x <= xs[-1] + 3]
    straight = [place for place in inner if min(abs(place.x - x) for x in xs) > max(BEND_PX, 0.08 * spacing)]
    between = [x for x in xs if min(abs(place.x - x) for place in places) > max(BEND_PX, 0.08 * spacing)]
    if not straight or (axis.is_years and not between):
        return list(places)
    return [at_value(axis, x, step, places) for x in xs]


def round_step(axis: ValueAxis, xs: Sequence[float]) -> float | None:
    """Return the coarsest part of the tick step of which all these x are multiples, or None."""
    if axis.fit.log:
        return None
    numbers = sorted(tick.number for tick in axis.ticks)
    tick_step = float(np.min(np.diff(numbers)))
    for part in (1, 2, 4, 5, 10, 20):
        step = tick_step / part
        if axis.is_years and step < 1:
            return None
        off = [abs(axis.fit.pixel(round(axis.fit.value(x) / step) * step) - x) for x in xs]
        if abs(step / axis.fit.slope) < 3 * BEND_PX:
            return None
        if max(off) <= BEND_PX:
            return step
    return None


def at_value(axis: ValueAxis, x: float, step: float, places: Sequence[Place]) -> Place:
    """Return the place at the multiple of the step next to x; a labelled one keeps its label."""
    number = float(f"{round(axis.fit.value(x) / step) * step:.10g}") + 0.0
    known = next((place for place in places if place.number is not None and abs(place.number - number) < 1e-9), None)
    return known or Place(f"{number:g}", axis.fit.pixel(number), None, number)


def _on_axis(axis: ValueAxis) -> list[Place]:
    """Return the ticks, those that recognition missed put back where the step says."""
    numbers = np.array([tick.number for tick in axis.ticks])
    if axis.fit.log or len(numbers) < 3:
        return [Place(tick.text, tick.position, tick.box, tick.number) for tick in axis.ticks]
    step = float(np.min(np.abs(np.diff(numbers))))
    ranks = (numbers - numbers.min()) / step
    if np.max(np.abs(ranks - np.rint(ranks))) > 0.02 or ranks.max() > 60:
        return [Place(tick.text, tick.position, tick.box, tick.number) for tick in axis.ticks]
    by_rank = {round(rank): tick for rank, tick in zip(ranks, axis.ticks, strict=True)}
    places = []
    for rank in range(round(float(ranks.max())) + 1):
        tick = by_rank.get(rank)
        value = float(numbers.min() + rank * step)
        if tick is not None:
            places.append(Place(_as_printed(tick.text, tick.number), axis.fit.pixel(value), tick.box, tick.number))
        else:
            places.append(Place(f"{value:g}", axis.fit.pixel(value), None, value))
    return sorted(places, key=lambda place: place.x)


def _as_printed(text: str, number: float) -> str:
    """Return the label without the tick mark that recognition took for a character."""
    stripped = text.strip(" |-_—.,:;'‘’")
    plain = f"{number:g}"
    misread_point = "," in stripped and number != int(number)
    return plain if plain in stripped or misread_point else stripped
