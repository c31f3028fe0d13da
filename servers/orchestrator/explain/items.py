"""What a number may show: values that were read, cells, numbers of the answer, with the names they go by."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from loupe.type.v1.figure_pb2 import Cell, Chart, Figure, Table, Value

_MOST_EQUAL = 500
_EQUAL = 1e-9  # of two doubles, one of which went through additions and back


@dataclass(frozen=True, slots=True)
class Item:
    """A number with its names, which `name_of` made."""

    node_id: str
    number: float
    series: str
    category: str
    group: str
    """Of its series, or of what else it belongs to."""
    place: int
    """Within its group."""
    reach: float = 0.0
    """How far a number may be off that is stated with these digits."""
    printed: str = ""


class Items:
    """Items by number."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.all = sorted(items, key=lambda item: (item.number, item.group, item.place))
        self.series = {item.series for item in self.all} - {""}
        self.categories = {item.category for item in self.all} - {""}
        self._numbers = [item.number for item in self.all]
        self._reach = max((item.reach for item in self.all), default=0.0)
        self._printed: dict[str, list[Item]] = {}
        for item in self.all:
            self._printed.setdefault(item.printed, []).append(item)

    def equal(self, number: float, reach: float = 0.0) -> list[Item]:
        """Return what a number equals within the digits that either is stated with."""
        window = max(reach, self._reach) + _EQUAL * abs(number)
        start = bisect_left(self._numbers, number - window)
        found = []
        for item in self.all[start : start + _MOST_EQUAL]:
            if item.number > number + window:
                break
            scale = max(abs(number), abs(item.number))
            if abs(item.number - number) <= max(reach, item.reach) * (1 + 1e-6) + _EQUAL * scale:
                found.append(item)
        return found

    def printed(self, text: str) -> list[Item]:
        """Return what is printed so in the picture."""
        return self._printed.get(text, [])[:_MOST_EQUAL] if text else []


def name_of(text: str) -> str:
    """Return a name as it is compared: without what a program adds to tell equal names apart, or to print a dollar."""
    plain = " ".join(text.replace("\\", "").split()).casefold()
    return re.sub(r" \(\d+\)$", "", plain)


def is_same(shown: str, name: str) -> bool:
    """Return whether a name that is shown, perhaps cut short, is that name."""
    return shown == name or (shown.endswith("…") and len(shown) > 1 and name.startswith(shown[:-1]))


def items_of(figures: Iterable[Figure]) -> Iterator[tuple[Value, Item]]:
    """Yield every number that was read, series by series or column by column."""
    for figure in figures:
        if figure.HasField("chart"):
            yield from _of_chart(figure.figure_id, figure.chart)
        else:
            yield from _of_table(figure.figure_id, figure.table)


def _of_chart(figure_id: str, chart: Chart) -> Iterator[tuple[Value, Item]]:
    titles = {axis.dimension: axis.title for axis in chart.axes}
    measuring = {series.value_axis for series in chart.series}
    x_title = next((axis.title for axis in chart.axes if axis.dimension not in measuring), "")
    for number, series in enumerate(chart.series):
        name = name_of(series.name or titles.get(series.value_axis, ""))
        for place, point in enumerate(series.points):
            label = point.label or (written(point.x.number) if point.x.HasField("number") else "")
            for field, value in (("x", point.x), ("x_end", point.x_end), ("y", point.y)):
                if value.HasField("number"):
                    group = f"{figure_id}.s{number}.{field}"
                    called = name if field == "y" else name_of(x_title)
                    where = (called, name_of(label), group, place)
                    yield value, Item(value.value_id, value.number, *where, printed=value.printed.strip())


def _of_table(figure_id: str, table: Table) -> Iterator[tuple[Value, Item]]:
    rows = _headers(table, [cell for cell in table.cells if cell.column < max(1, table.header_column_count)], "row")
    columns = _headers(table, [cell for cell in table.cells if cell.row < table.header_row_count], "column")
    for cell in table.cells:
        if cell.value.HasField("number"):
            series, category = columns.get(cell.column, ""), rows.get(cell.row, "")
            where = (series, category, f"{figure_id}.c{cell.column}", cell.row)
            printed = cell.value.printed.strip()
            yield cell.value, Item(cell.value.value_id, cell.value.number, *where, printed=printed)


def _headers(table: Table, cells: Sequence[Cell], axis: str) -> dict[int, str]:
    """Return what header cells say of each row, or column."""
    texts: dict[int, list[str]] = {}
    for cell in cells:
        start = cell.row if axis == "row" else cell.column
        span = max(1, cell.row_span if axis == "row" else cell.column_span)
        for place in range(start, min(start + span, table.row_count if axis == "row" else table.column_count)):
            texts.setdefault(place, []).append(cell.value.printed)
    return {place: name_of(" ".join(parts)) for place, parts in texts.items()}


def written(number: float) -> str:
    """Return a number as a label writes it: "2019", "0.5"."""
    return f"{number:.6f}".rstrip("0").rstrip(".")
