"""An axis that measures: its labelled ticks, the line through them, and what a pixel along it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from servers.vision.charts.axes.calibration import AxisFit
from servers.vision.dates import DAY_S, EPOCH, DateStyle, Precision, printed_date
from servers.vision.geometry import PixelBox, union

Direction = Literal["x", "y"]

_MONTH_S = 365.2425 / 12 * DAY_S


@dataclass(frozen=True, slots=True)
class TickMark:
    """One label of a value axis."""

    text: str
    number: float
    position: float
    """Along the axis, pixels."""
    box: PixelBox


@dataclass(frozen=True, slots=True)
class DateScale:
    """How an axis prints time. Its numbers are seconds since 1970."""

    precision: Precision
    """The finest part that a label prints."""
    style: DateStyle = "figures"
    """How months are printed."""
    months: AxisFit | None = None
    """Pixel to months since 1970, where months of unequal length stand at equal distances."""

    def at(self, fit: AxisFit, pixel: float) -> float:
        """Return the seconds at a pixel."""
        return seconds_of_month(self.months.value(pixel)) if self.months is not None else fit.value(pixel)

    def pixel(self, fit: AxisFit, seconds: float) -> float:
        """Return the pixel of a time."""
        return self.months.pixel(month_of_seconds(seconds)) if self.months is not None else fit.pixel(seconds)


@dataclass(frozen=True, slots=True)
class ValueAxis:
    """An axis that measures."""

    direction: Direction
    ticks: tuple[TickMark, ...]
    """Those the fit rests on, in pixel order."""
    fit: AxisFit
    unit: str
    is_years: bool
    """Every tick is a whole number from 1500 to 2199, one apart or more."""
    dates: DateScale | None = None
    """Set where the numbers are seconds since 1970; None for plain years too."""
    notes: tuple[tuple[str, str], ...] = ()
    """Doubts about the axis: (code, message)."""

    @property
    def box(self) -> PixelBox:
        """Around the tick labels."""
        return union(tick.box for tick in self.ticks)

    @property
    def step_value(self) -> float:
        """Difference between neighbouring ticks; on a log axis the largest."""
        numbers = sorted(tick.number for tick in self.ticks)
        return float(np.max(np.diff(numbers))) if len(numbers) > 1 else abs(numbers[0])

    @property
    def span_px(self) -> float:
        """Pixels between the first and the last tick."""
        return abs(self.ticks[-1].position - self.ticks[0].position)

    def number_at(self, pixel: float) -> float:
        """Return what the axis measures at a pixel: a value, a year or seconds since 1970."""
        return self.dates.at(self.fit, pixel) if self.dates is not None else self.fit.value(pixel)

    def pixel_of(self, number: float) -> float:
        """Return the pixel of a number: where a value measured by this axis stands (`Value.position_px`)."""
        return self.dates.pixel(self.fit, number) if self.dates is not None else self.fit.pixel(number)

    def text_of(self, number: float, precision: Precision | None = None) -> str:
        """Return a number as a label: a date to the axis's precision, or to the one given; else plain digits."""
        if self.dates is None:
            return f"{number:.10g}" if self.is_years or abs(number) < 1e-4 else f"{number:g}"
        return printed_date(number, precision or self.dates.precision, style=self.dates.style)


def month_of_seconds(seconds: float) -> float:
    """Return months since January 1970, days as a share of their own month."""
    start = np.datetime64(EPOCH.replace(tzinfo=None), "s") + np.timedelta64(round(seconds), "s")
    month = start.astype("datetime64[M]")
    first, after = month.astype("datetime64[s]"), (month + 1).astype("datetime64[s]")
    return float(month.astype(np.int64)) + float((start - first) / (after - first))


def seconds_of_month(months: float) -> float:
    """Return seconds since 1970 of months since January 1970."""
    whole = int(np.floor(months))
    first, after = (np.datetime64(whole + k, "M").astype("datetime64[s]").astype(np.int64) for k in (0, 1))
    return float(first + (months - whole) * (after - first))
