"""At which dates a course was drawn: the coarsest calendar step on whose dates all its bends or markers lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.axes.value_axis import ValueAxis
from servers.vision.dates import Precision

_LEAST_EVIDENCE = 3.0  # minus the natural logarithm of the chance that as many places lie on such dates by accident
_MOST_DATES = 2000
_ON_DATE = 0.92  # share of the places that must lie on the step's dates; a bend may be off by noise
# Of the bends of a line whose data is labelled throughout most lie near labels; of one with data between few do.
_ON_LABELLED, _FEWEST_LABELLED = 0.55, 4
_LIKELY, _ON_RARE = 0.3, 0.75  # where few places would lie on dates by chance, fewer of them have to
_OFF_LABELLED = 0.12  # of the distance between labels: thick lines bend, and markers end, beside them
_HOUR_S, _DAY_S = 3600, 86400

Seconds = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CalendarStep:
    """Dates that follow each other regularly."""

    precision: Precision
    months: int = 0
    """A multiple of months; 0 where the step is a number of seconds."""
    seconds: int = 0
    phase: int = 0
    """Seconds since 1970 of one of the dates, or, with months, seconds from each month's start."""
    at_month_end: bool = False
    """The last day of the month stands for it."""

    def dates(self, first: float, last: float) -> Seconds:
        """Return the dates from the first second to the last, int64 [n]; none where they are too many."""
        if self.months:
            lo, hi = (
                np.datetime64(int(np.floor(at)), "s").astype("datetime64[M]").astype(np.int64) for at in (first, last)
            )
            lo -= lo % self.months
            if (hi - lo) / self.months > _MOST_DATES:
                return np.zeros(0, dtype=np.int64)
            starts = np.arange(lo, hi + self.months + 1, self.months)
            dates = (
                (starts + (1 if self.at_month_end else 0))
                .astype("datetime64[M]")
                .astype("datetime64[s]")
                .astype(np.int64)
            )
            dates = dates - (_DAY_S if self.at_month_end else 0)
        else:
            if (last - first) / self.seconds > _MOST_DATES:
                return np.zeros(0, dtype=np.int64)
            start = int(np.floor((first - self.phase) / self.seconds)) * self.seconds + self.phase
            dates = np.arange(start, last + self.seconds, self.seconds, dtype=np.int64)
        return np.asarray(dates[(dates >= first) & (dates <= last)], dtype=np.int64)


_STEPS = (
    CalendarStep("year", months=12),
    CalendarStep("quarter", months=3),
    CalendarStep("month", months=1),
    CalendarStep("day", months=1, at_month_end=True),
    CalendarStep("day", seconds=7 * _DAY_S, phase=4 * _DAY_S),  # 1970-01-05 was a Monday
    CalendarStep("day", seconds=_DAY_S),
    CalendarStep("hour", seconds=12 * _HOUR_S),
    CalendarStep("hour", seconds=6 * _HOUR_S),
    CalendarStep("hour", seconds=3 * _HOUR_S),
    CalendarStep("hour", seconds=_HOUR_S),
    CalendarStep("minute", seconds=1800),
    CalendarStep("minute", seconds=900),
    CalendarStep("minute", seconds=600),
    CalendarStep("minute", seconds=300),
    CalendarStep("minute", seconds=60),
)


def step_of(axis: ValueAxis, xs: Sequence[float], tolerance_px: float) -> CalendarStep | None:
    """Return the coarsest step on whose dates nearly all places lie, or None where that may be accident.

    Args:
      axis: with dates.
      xs: pixels where a course bends or carries markers.
    """
    if len(xs) < 3:
        return None
    places = np.sort(np.asarray(xs, dtype=np.float64))
    first, last = (axis.number_at(float(x)) for x in (places[0] - tolerance_px, places[-1] + tolerance_px))
    for step in _STEPS:
        for phased in _phases(step, axis, places):
            pixels = pixels_of(axis, phased.dates(first - 32 * _DAY_S, last + 32 * _DAY_S))
            if len(pixels) < 2:
                continue
            spacing = float(np.median(np.diff(pixels)))
            chance = 2 * tolerance_px / spacing
            if chance > 0.8 or len(places) * -np.log(chance) < _LEAST_EVIDENCE:
                continue
            off = np.abs(places[:, None] - pixels[None, :]).min(axis=1)
            least, reach_px = _ON_DATE if chance > _LIKELY else _ON_RARE, tolerance_px
            if _is_labelled(axis, phased):
                least, reach_px = _ON_LABELLED, max(tolerance_px, _OFF_LABELLED * spacing)
            if float((off <= reach_px).mean()) >= least:
                return phased
    return None


def _is_labelled(axis: ValueAxis, step: CalendarStep) -> bool:
    """Tell whether the labels of an axis are just the dates of a step, one after another."""
    numbers = [tick.number for tick in axis.ticks]
    dates = step.dates(numbers[0] - 0.5 * _DAY_S, numbers[-1] + 0.5 * _DAY_S)
    return len(numbers) >= _FEWEST_LABELLED and len(dates) == len(numbers)


def _phases(step: CalendarStep, axis: ValueAxis, places: NDArray[np.float64]) -> list[CalendarStep]:
    """Return the step itself, and for weeks the one that begins on the day most places lie on."""
    if step.seconds != 7 * _DAY_S:
        return [step]
    days = np.array([axis.number_at(float(x)) / _DAY_S for x in places])
    turn = np.angle(np.exp(2j * np.pi * days / 7).mean()) / (2 * np.pi) * 7
    return [CalendarStep(step.precision, seconds=step.seconds, phase=round(float(turn) % 7) * _DAY_S)]


def finest_step(axis: ValueAxis, least_px: float) -> CalendarStep:
    """Return the finest step whose dates stand at least so many pixels apart; years where none does."""
    middle = (axis.ticks[0].position + axis.ticks[-1].position) / 2
    per_px = abs(axis.number_at(middle + 0.5) - axis.number_at(middle - 0.5))
    fine = [step for step in _STEPS if not step.at_month_end and _length(step) / max(per_px, 1e-9) >= least_px]
    return min(fine, key=_length, default=_STEPS[0])


def _length(step: CalendarStep) -> float:
    return step.seconds or step.months * 30.4375 * _DAY_S


def pixels_of(axis: ValueAxis, dates: Seconds) -> NDArray[np.float64]:
    """Return the pixel of each date, float64 [n]."""
    return np.array([axis.pixel_of(float(date)) for date in dates], dtype=np.float64)
