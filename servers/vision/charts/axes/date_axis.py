"""Date axes: rows of labels whose times lie on a line, years set below their months or at the end included."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from servers.vision.charts.axes.calibration import AxisFit, fit_axis
from servers.vision.charts.axes.slanted_text import slanted_runs
from servers.vision.charts.axes.value_axis import DateScale, TickMark, ValueAxis, month_of_seconds
from servers.vision.charts.picture.page import Page, TextRun, make_run
from servers.vision.dates import DAY_S, PRECISIONS, DateParts, DateStyle, date_parts, in_sequence
from servers.vision.geometry import PixelBox, union

_LEAST_LABELS = 3
_LEAST_SHARE = 0.6  # of a row's labels that lie on the line
_SECOND_ROW = 3.2  # letter heights from a row's middle to that of the row below it
_UNEVEN_DAYS = 2.0  # how far months at equal distances stand from a line in time: 3 months of 92 days, then of 90
_LONGEST_LABEL = 4  # words
_HYPHEN = 1.1  # letter heights between figures that a hyphen joins
_NO_YEAR = "date_without_year"


@dataclass(frozen=True, slots=True)
class _Label:
    text: str
    box: PixelBox
    x: float
    """Where it points, pixels."""
    meanings: tuple[DateParts, ...]


def find_date_axes(page: Page) -> list[ValueAxis]:
    """Return the horizontal axes whose labels are dates; rows of plain years alone are left to the numeric axes."""
    rows = _level_rows(page)
    axes = []
    for index, row in enumerate(rows):
        below = rows[index + 1] if index + 1 < len(rows) else []
        axis = _axis(page, row, below)
        if axis is not None:
            axes.append(axis)
    axes += [axis for row in _slanted_rows(page) if (axis := _axis(page, row, [], is_turned=True)) is not None]
    return axes


def _level_rows(page: Page) -> list[list[_Label]]:
    """Return the labels that may be dates, by row from the top."""
    rows: list[list[TextRun]] = []
    for run in sorted(page.runs, key=lambda run: run.box.center_y):
        if rows and abs(run.box.center_y - float(np.median([r.box.center_y for r in rows[-1]]))) < 0.5 * (
            page.text_height
        ):
            rows[-1].append(run)
        else:
            rows.append([run])
    out = []
    for row in rows:
        ordered = _with_hyphens(sorted(row, key=lambda run: run.box.x_min), page.text_height)
        labels = [label for run in ordered for label in _labels_in(run)]
        if labels and not _are_seasons(labels):
            out.append(labels)
    return out


def _with_hyphens(row: Sequence[TextRun], height: float) -> list[TextRun]:
    """Return the runs with "2019", "03", "15" joined where recognition left the hyphens out."""
    out: list[TextRun] = []
    start = 0
    while start < len(row):
        count = 1
        for size in (3, 2):
            pieces = row[start : start + size]
            near = all(b.box.x_min - a.box.x_max < _HYPHEN * height for a, b in itertools.pairwise(pieces))
            text = "-".join(piece.text.strip("-–— ") for piece in pieces)
            if len(pieces) == size and near and re.fullmatch(r"\d{4}(?:-\d\d){1,2}|\d\d-\d\d-\d{4}", text):
                words = tuple(word for piece in pieces for word in piece.words)
                out.append(TextRun(words, union(piece.box for piece in pieces), text))
                count = size
                break
        else:
            out.append(row[start])
        start += count
    return out


def _are_seasons(labels: Sequence[_Label]) -> bool:
    """Tell whether labels are years that end in the next, "2003/04", rather than months of them."""
    pairs = [re.fullmatch(r"(\d{4})[/-](\d\d)", label.text) for label in labels]
    return len(pairs) > 1 and all(pair and (int(pair[1]) + 1) % 100 == int(pair[2]) for pair in pairs)


def _labels_in(run: TextRun) -> list[_Label]:
    """Return the dates in a run; narrow gaps may have joined neighbouring labels."""
    whole = _label(run)
    if whole is not None:
        return [whole]
    labels: list[_Label] = []
    start = 0
    while start < len(run.words):
        for end in range(min(len(run.words), start + _LONGEST_LABEL), start, -1):
            label = _label(make_run(run.words[start:end]))
            if label is not None:
                labels.append(label)
                start = end
                break
        else:
            return []  # words among dates are a sentence
    return labels


def _label(run: TextRun) -> _Label | None:
    text = re.sub(r"(?<=[a-z])(?=['’]?\d\d)", " ", run.text.strip(" |_—"))  # recognition loses the space of "Jul '20"
    meanings = tuple(date_parts(text))
    return _Label(text, run.box, run.box.center_x, meanings) if meanings else None


def _slanted_rows(page: Page) -> list[list[_Label]]:
    """Return the rows of turned labels, each pointing at its tick with its end and, as another row, with its middle."""
    height = page.text_height
    rows: list[list[tuple[str, PixelBox, int]]] = []
    for piece in sorted(slanted_runs(page.turned, height), key=lambda piece: piece[1].y_min):
        row = next(
            (r for r in rows if abs(r[0][1].y_min - piece[1].y_min) < height and abs(r[0][2] - piece[2]) <= 10), None
        )
        if row is None:
            rows.append([piece])
        else:
            row.append(piece)
    out = []
    for row in rows:
        upright = all(80 <= angle % 180 <= 100 for _, _, angle in row)
        for at_end in (False,) if upright else (True, False):
            labels = [
                _Label(text, box, (box.x_max if angle % 180 < 90 else box.x_min) if at_end else box.center_x, meanings)
                for text, box, angle in row
                if (meanings := tuple(date_parts(text)))
            ]
            if labels:
                out.append(sorted(labels, key=lambda label: label.x))
    return out


def _axis(page: Page, row: Sequence[_Label], below: Sequence[_Label], *, is_turned: bool = False) -> ValueAxis | None:
    height = page.text_height
    if below and not 0 < below[0].box.center_y - row[0].box.center_y <= _SECOND_ROW * height:
        below = []
    if len(row) < 2 or (all(_is_number(label, is_turned=is_turned) for label in row) and not _gives_month(below)):
        return None
    years = {_nearest(row, label): label for label in below if any(parts.year is not None for parts in label.meanings)}
    best: ValueAxis | None = None
    for chosen in _readings(row):
        completed = [_with_year(parts, years[k]) if k in years else parts for k, parts in enumerate(chosen)]
        axis = _fitted(page, row, completed, years)
        if axis is not None and (
            best is None or (len(axis.ticks), -axis.fit.residual_px) > (len(best.ticks), -best.fit.residual_px)
        ):
            best = axis
    return best


def _is_number(label: _Label, *, is_turned: bool) -> bool:
    """Tell whether a label alone is rather a plain number; level rows of years are numeric axes anyway."""
    return label.text.isdigit() and (not is_turned or len(label.text) < 4)


def _gives_month(below: Sequence[_Label]) -> bool:
    return any(parts.year is not None and parts.precision != "year" for label in below for parts in label.meanings)


def _nearest(row: Sequence[_Label], label: _Label) -> int:
    return int(np.argmin([abs(other.x - label.x) for other in row]))


def _readings(row: Sequence[_Label]) -> list[list[DateParts]]:
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


def _with_year(parts: DateParts, below: _Label) -> DateParts:
    """Return the parts completed by what stands below: its year, and its month where the label lacks that too."""
    other = next(meaning for meaning in below.meanings if meaning.year is not None)
    if parts.year is not None:
        return parts
    month = parts.month if parts.month is not None else other.month
    day = parts.day if parts.day is not None else (other.day if parts.month is None else 1)
    return replace(parts, year=other.year, month=month, day=day)


def _fitted(
    page: Page, row: Sequence[_Label], parts: Sequence[DateParts], below: dict[int, _Label]
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


def _is_axis(page: Page, on_line: Sequence[_Label], fit: AxisFit, label_count: int) -> bool:
    """Tell whether enough labels lie on the line, far enough apart; two must be all there are, and wide apart."""
    span = abs(on_line[-1].x - on_line[0].x)
    few = len(on_line) < _LEAST_LABELS
    return (
        fit.slope > 0
        and len(on_line) >= (label_count if few else _LEAST_SHARE * label_count)
        and span > (12 if few else 4) * page.text_height
    )


def _tick(label: _Label, number: float, below: _Label | None) -> TickMark:
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
    even = fit_axis(pixels, months, tolerance_px=1.5)
    clearer = even is not None and len(even.inliers) == len(ticks) and even.residual_px < 0.6 * fit.residual_px
    return even if clearer and fit.residual_px > 0.5 else None


def _as_years(ticks: Sequence[TickMark], fit: AxisFit) -> ValueAxis:
    """Return an axis of years, whose numbers are the years themselves."""
    numbers = [round(1970 + tick.number / (365.2425 * DAY_S)) for tick in ticks]
    plain = fit_axis(np.array([tick.position for tick in ticks]), np.array(numbers, dtype=np.float64), tolerance_px=4.0)
    years = tuple(replace(tick, number=float(number)) for tick, number in zip(ticks, numbers, strict=True))
    return ValueAxis("x", years, plain or fit, "", True)
