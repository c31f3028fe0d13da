"""Figures as CSV: the first row is the header, the first column holds the labels."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter

from loupe.type.v1.figure_pb2 import AxisDimension, Cell, Chart, ChartType, Figure, Origin, Series, Table, Value

_MEASURED_DIGITS = 4
"""Significant digits of a value measured on a mark: half a pixel of a plot 500 pixels high is a thousandth of it."""
_PRINTED_NUMBER = re.compile(r"\d[\d,]*(?:\.(\d+))?")
_UNNAMED = "Value"

_Key = tuple[str, int]


def to_csv(figure: Figure) -> str:
    """Return a figure's data as CSV text, lines ended by a line feed."""
    rows = _chart_rows(figure.chart) if figure.HasField("chart") else _table_rows(figure.table)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def number_text(value: Value) -> str:
    """Return a value's number without separators and exponent, with the digits that were read; empty for none.

    A printed number keeps the digits after the point that are printed; a measured one gets four significant digits.
    """
    if not value.HasField("number") or not math.isfinite(value.number):
        return ""
    number = value.number
    printed = _PRINTED_NUMBER.search(value.printed)
    if printed and math.isclose(float(printed.group().replace(",", "")), abs(number)):
        return f"{number:.{len(printed.group(1) or '')}f}"
    digits = _MEASURED_DIGITS if value.origin != Origin.ORIGIN_PRINTED else 12
    return _plain(number, digits)


def _plain(number: float, digits: int) -> str:
    """Return a number rounded to significant digits; those before the point are kept in any case."""
    if number == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(number))))
    text = f"{number:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _chart_rows(chart: Chart) -> list[list[str]]:
    if chart.type == ChartType.CHART_TYPE_SCATTER and len(chart.series) > 1:
        return _group_rows(chart)
    return _label_rows(chart)


def _group_rows(chart: Chart) -> list[list[str]]:
    """Return a row for each point of a scatter plot: its series, x and y. Groups seldom share an x to be joined on."""
    titles = {axis.dimension: _line(axis.title) for axis in chart.axes}
    x_title, y_title = titles.get(AxisDimension.AXIS_DIMENSION_X), titles.get(AxisDimension.AXIS_DIMENSION_Y)
    rows = [
        [_line(series.name), number_text(point.x), number_text(point.y)]
        for series in chart.series
        for point in series.points
    ]
    return [["", x_title or "x", y_title or "y"], *rows]


def _label_rows(chart: Chart) -> list[list[str]]:
    """Return a row for each label, in the order of the series, and a column for each series."""
    titles = {axis.dimension: axis.title for axis in chart.axes}
    header = ["", *(series.name or titles.get(_value_axis(series), "") or _UNNAMED for series in chart.series)]
    rows: dict[_Key, list[str]] = {}
    order: list[_Key] = []
    for column, series in enumerate(chart.series, start=1):
        keys = _keys(series)
        _merge(order, keys)
        for key, point in zip(keys, series.points, strict=True):
            row = rows.setdefault(key, [key[0], *[""] * len(chart.series)])
            row[column] = number_text(point.y)
    return [[_line(name) for name in header], *(rows[key] for key in order)]


def _keys(series: Series) -> list[_Key]:
    """Return what each point is joined on: its label, and how often the series had that label before."""
    seen: Counter[str] = Counter()
    keys = []
    for point in series.points:
        label = _line(point.label) or number_text(point.x)
        keys.append((label, seen[label]))
        seen[label] += 1
    return keys


def _merge(order: list[_Key], keys: list[_Key]) -> None:
    """Insert the keys that are new, each after the one it follows in its own series."""
    known = set(order)
    place = next((order.index(key) for key in keys if key in known), len(order))
    for key in keys:
        if key in known:
            place = order.index(key) + 1
        else:
            order.insert(place, key)
            place += 1


def _value_axis(series: Series) -> AxisDimension.ValueType:
    return series.value_axis or AxisDimension.AXIS_DIMENSION_Y


def _table_rows(table: Table) -> list[list[str]]:
    """Return the cells as printed, row by row as a person would type them: a cell that spans stands in each place.

    Several header rows stay several rows. A table without any gets one, for the first row of the file is a header.
    """
    rows = [[""] * table.column_count for _ in range(table.row_count)]
    for cell in table.cells:
        for row in rows[cell.row : cell.row + max(1, cell.row_span)]:
            end = min(cell.column + max(1, cell.column_span), table.column_count)
            row[cell.column : end] = [_text(cell)] * (end - cell.column)
    if not table.header_row_count:
        rows.insert(0, ["", *(f"column {column + 1}" for column in range(1, table.column_count))])
    return rows


def _text(cell: Cell) -> str:
    return _line(cell.value.printed) or number_text(cell.value)


def _line(text: str) -> str:
    return " ".join(text.split())
