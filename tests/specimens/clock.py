"""Times told in different ways, brought onto the true axis: seconds since 1970, plain years, days of some year."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tests.specimens.truth import Axis

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_S = 365.2425 * 86400


def on_axis(x: float, axis: Axis) -> float:
    """Return x in the axis's own unit: a year read off an axis of dates in seconds, and the other way about."""
    if axis.scale == "date" and 1000 <= x <= 3000:
        return _start_of(int(x)) + (x - int(x)) * _YEAR_S
    if axis.scale == "linear" and axis.low >= 1000 and axis.high <= 3000 and abs(x) > 1e6:
        return 1970 + x / _YEAR_S
    return x


def in_its_year(xs: Sequence[float], axis: Axis) -> list[float]:
    """Return times moved by whole years to where the axis is, whose labels name no year."""
    if not xs:
        return []
    years = round((axis.low - min(xs)) / _YEAR_S)
    return [_moved(x, years) for x in xs]


def _moved(x: float, years: int) -> float:
    time = _EPOCH + timedelta(seconds=x)
    start = datetime(time.year, 1, 1, tzinfo=UTC)
    try:
        moved = time.replace(year=time.year + years)
    except ValueError:  # 29 February, or no such year
        moved = start + timedelta(days=365.2425 * years) + (time - start)
    return (moved - _EPOCH).total_seconds()


def _start_of(year: int) -> float:
    return (datetime(year, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds()
