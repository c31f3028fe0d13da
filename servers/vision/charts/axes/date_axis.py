"""Date axes: rows of labels whose times lie on a line, years set below their months or at the end included."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from servers.vision.charts.axes.calibration import AxisFit, fit_axis
from servers.vision.charts.axes.date_labels import DateLabel, dated_by_short_years, level_rows, slanted_rows
from servers.vision.charts.axes.value_axis import DateScale, TickMark, ValueAxis, month_of_seconds
from servers.vision.charts.picture.page import Page
from servers.vision.dates import DAY_S, PRECISIONS, DateParts, DateStyle, in_sequence
from servers.vision.geometry import union

_LEAST_LABELS = 3
_LEAST_SHARE = 0.6  # of a row's labels that lie on the line
_SECOND_ROW = 3.2  # letter heights from a row's middle to that of the row below it
_UNEVEN_DAYS = 2.0  # how far months at equal distances stand from a line in time: 3 months of 92 days, then of 90
_OFF_TICK = 0.01  # of the distance between ticks
_NO_YEAR = "date_without_year"


def find_date_axes(page: Page) -> list[ValueAxis]:
    """Return the horizontal axes whose labels are dates; rows of plain years alone are left to the numeric axes."""
    rows = level_rows(page)
    axes = []
    for index, row in enumerate(rows):
        below = rows[index + 1] if index + 1 < len(rows) else []
        axis = _axis(page, row, below)
        if axis is not None:
            axes.append(axis)
    axes += [axis for row in slanted_rows(page) if (axis := _axis(page, row, [], is_turned=True)) is not None]
    return axes


def _axis(
    page: Page, row: Sequence[DateLabel], below: Sequence[DateLabel], *, is_turned: bool = False
) -> ValueAxis | None:
    height = page.text_height
    if below and not 0 < below[0].box.center_y - row[0].box.center_y <= _SECOND_ROW * height:
        below = []
    if len(row) < 2 or (all(_is_number(label, is_turned=is_turned) for label in row) and not _gives_month(below)):
        return None
    years = {_nearest(row, label): label for label in below if any(parts.year is not None for parts in label.meanings)}
    best: ValueAxis | None = None
    by_year = dated_by_short_years(row)
    for chosen in [by_year] if by_year is not None else _readings(row):
        completed = [_with_year(parts, years[k]) if k in years else parts for k, parts in enumerate(chosen)]
        axis = _fitted(page, row, completed, years)
        if axis is not None and (
            best is None or (len(axis.ticks), -axis.fit.residual_px) > (len(best.ticks), -best.fit.residual_px)
        ):
            best = axis
    return best


def _is_number(label: DateLabel, *, is_turned: bool) -> bool:
    """Tell whether a label alone is rather a plain number; level rows of years are numeric axes anyway."""
    return label.text.isdigit() and (not is_turned or len(label.text) < 4)


def _gives_month(below: Sequence[DateLabel]) -> bool:
    return any(parts.year is not None and parts.precision != "year" for label in below for parts in label.meanings)


def _nearest(row: Sequence[DateLabel], label: DateLabel) -> int:
    return int(np.argmin([abs(other.x - label.x) for other in row]))


def _readings(row: Sequence[DateLabel]) -> list[list[DateParts]]:
    """Return the ways to read a row: labels that may mean several things all mean the same kind of thing."""
    kinds = list(
        dict.fromkeys((parts.precision, parts.order, parts.missing) for label in row for parts in label.meanings)
    )
    readings: list[list[DateParts]] = []
    for kind in kinds:
        reading = [
            next((p for p in label.meanings if (p.precision, p.order, p.missing) == kind), label.meanings[0])
            for label in row
        ]
        if reading not in readings:
            readings.append(reading)
    return readings


def _with_year(parts: DateParts, below: DateLabel) -> DateParts:
    """Return the parts completed by what stands below: its year, and its month where the label lacks that too."""
    other = next(meaning for meaning in below.meanings if meaning.year is not None)
    if parts.year is not None:
        return parts
    month = parts.month if parts.month is not None else other.month
    day = parts.day if parts.day is not None else (other.day if parts.month is None else 1)
    return replace(parts, year=other.year, month=month, day=day)


def _fitted(
    page: Page, row: Sequence[DateLabel], parts: Sequence[DateParts], below: dict[int, DateLabel]
) -> ValueAxis | None:
    """Return the axis through the labels, one of them left out where that makes the others fit; None without a line."""
    best: tuple[tuple[int, bool], list[int], list[float], AxisFit, bool] | None = None
    for left_out in (None, *range(len(row))) if len(row) > _LEAST_LABELS else (None,):
        kept = [k for k in range(len(row)) if k != left_out]
        timed = _timed([parts[k] for k in kept])
        if timed is None:
            continue
        seconds, has_year = timed
        precision = max((parts[k].precision for k in kept), key=PRECISIONS.index)
        fit = _line(page, [row[k].x for k in kept], seconds, precision)
        if fit is None or not _is_axis(page, [row[kept[k]] for k in fit.inliers], fit, len(row)):
            continue
        # A misread label that gives the year may lie off the line that it makes of the others.
        rank = (len(fit.inliers), len(fit.inliers) == len(kept))
        if best is None or rank > best[0]:
            best = (rank, [kept[k] for k in fit.inliers], [seconds[k] for k in fit.inliers], fit, has_year)
        if rank == (len(row), True):
            break
    if best is None:
        return None
    _, members, numbers, fit, has_year = best
    notes = () if has_year else ((_NO_YEAR, "the labels give no year; the dates are counted from 1970-01-01"),)
    ticks = tuple(_tick(row[k], number, below.get(k)) for k, number in zip(members, numbers, strict=True))
    if all(parts[k].precision == "year" for k in members):
        return _as_years(ticks, fit)
    precision = max((parts[k].precision for k in members), key=PRECISIONS.index)
    texts = [tick.text for tick in ticks]
    style: DateStyle = "names" if any(parts[k].has_name for k in members) else "figures"
    if style == "names" and sum(re.search(r"['’]\d\d$", text) is not None for text in texts) * 2 > len(texts):
        style = "short years"
    return ValueAxis(
        "x", ticks, fit, "", False, DateScale(precision, style, _even_months(ticks, fit, precision)), notes
    )


def _timed(parts: Sequence[DateParts]) -> tuple[list[float], bool] | None:
    """Return (seconds since 1970, whether the labels give a year); None where months or days alone repeat."""
    has_year = any(part.missing is None for part in parts)
    if not has_year:
        if any(part.day is None and part.missing == "year" for part in parts):
            return None
        if all(part.missing == "month" for part in parts):
            return None
        first = next((k for k, part in enumerate(parts) if part.missing == "year"), None)
        if first is not None:
            parts = [replace(part, year=1970) if k == first else part for k, part in enumerate(parts)]
    seconds = in_sequence(parts)
    return (seconds, has_year) if seconds is not None else None


def _is_axis(page: Page, on_line: Sequence[DateLabel], fit: AxisFit, label_count: int) -> bool:
    """Tell whether enough labels lie on the line, far enough apart; two must be all there are, and wide apart."""
    span = abs(on_line[-1].x - on_line[0].x)
    few = len(on_line) < _LEAST_LABELS
    return (
        fit.slope > 0
        and len(on_line) >= (label_count if few else _LEAST_SHARE * label_count)
        and span > (12 if few else 4) * page.text_height
    )


def _tick(label: DateLabel, number: float, below: DateLabel | None) -> TickMark:
    if below is None or abs(below.x - label.x) > 0.5 * max(label.box.width, below.box.width):
        return TickMark(label.text, number, label.x, label.box)
    return TickMark(f"{label.text} {below.text}", number, label.x, union((label.box, below.box)))


def _line(page: Page, xs: Sequence[float], seconds: Sequence[float], precision: str) -> AxisFit | None:
    tolerance = max(2.0, 0.25 * page.text_height)
    if precision in ("month", "quarter"):
        tolerance += _UNEVEN_DAYS * DAY_S * abs((xs[-1] - xs[0]) / max(1.0, seconds[-1] - seconds[0]))
    return fit_axis(np.array(xs), np.array(seconds), tolerance_px=tolerance)


def _even_months(ticks: Sequence[TickMark], fit: AxisFit, precision: str) -> AxisFit | None:
    """Return the line in months where the ticks stand at equal distances for months of unequal length."""
    if precision not in ("month", "quarter") or len(ticks) < _LEAST_LABELS:
        return None
    pixels = np.array([tick.position for tick in ticks])
    months = np.array([month_of_seconds(tick.number) for tick in ticks])
    # Labels of large pictures are off their ticks by more pixels.
    even = fit_axis(pixels, months, tolerance_px=max(1.5, _OFF_TICK * float(np.median(np.abs(np.diff(pixels))))))
    clearer = even is not None and len(even.inliers) == len(ticks) and even.residual_px < 0.6 * fit.residual_px
    return even if clearer and fit.residual_px > 0.5 else None


def _as_years(ticks: Sequence[TickMark], fit: AxisFit) -> ValueAxis:
    """Return an axis of years, whose numbers are the years themselves."""
    numbers = [round(1970 + tick.number / (365.2425 * DAY_S)) for tick in ticks]
    plain = fit_axis(np.array([tick.position for tick in ticks]), np.array(numbers, dtype=np.float64), tolerance_px=4.0)
    years = tuple(replace(tick, number=float(number)) for tick, number in zip(ticks, numbers, strict=True))
    return ValueAxis("x", years, plain or fit, "", True)
