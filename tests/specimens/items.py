"""The values of a read figure, one by one, in a shape that the truth can be held against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from loupe.type.v1 import figure_pb2
from tests.specimens.similarity import tidy

NO_VALUE = frozenset(("", "-", "na", "n/a", "nan", "none", "..", "...", "*"))
"""What a cell without a value holds."""


@dataclass(frozen=True)
class ReadItem:
    """One value that vision read."""

    series: str
    label: str
    number: float | None
    """Absent in a cell of words."""
    text: str = ""
    """As printed, or as it stands in the cell."""
    x: float | None = None
    x_end: float | None = None
    confidence: float = 0.0
    origin: int = 0
    fidelity: int = 0
    value_id: str = ""


def read_items(figure: figure_pb2.Figure) -> list[ReadItem]:
    """Return the values of a chart or the cells of a table that are not headers."""
    if figure.HasField("table"):
        return _cells(figure)
    return [
        ReadItem(
            series=series.name,
            label=point.label,
            number=point.y.number,
            text=point.y.printed,
            x=_x(figure.chart, point.x.number) if point.x.HasField("number") else None,
            x_end=point.x_end.number if point.x_end.HasField("number") else None,
            confidence=point.y.confidence,
            origin=point.y.origin,
            fidelity=figure.fidelity,
            value_id=point.y.value_id,
        )
        for series in figure.chart.series
        for point in series.points
        if point.y.HasField("number")
    ]


def _x(chart: figure_pb2.Chart, number: float) -> float:
    """Return an x as truth has it: a plain year as the seconds at which it begins."""
    is_year = any(
        axis.dimension == figure_pb2.AXIS_DIMENSION_X
        and axis.scale == figure_pb2.AXIS_SCALE_DATE
        and axis.unit == "year"
        for axis in chart.axes
    )
    if not is_year or not 1 <= number < 9999:
        return number
    start, after = (datetime(int(number) + k, 1, 1, tzinfo=UTC).timestamp() for k in (0, 1))
    return start + (number - int(number)) * (after - start)


def _cells(figure: figure_pb2.Figure) -> list[ReadItem]:
    """Name each cell by its row's and its column's headers."""
    table = figure.table
    at = {
        (row, column): cell.value.printed
        for cell in table.cells
        for row in range(cell.row, cell.row + max(1, cell.row_span))
        for column in range(cell.column, cell.column + max(1, cell.column_span))
    }
    heads, sides = max(1, table.header_row_count), max(1, table.header_column_count)
    items = []
    for cell in table.cells:
        if cell.row < heads or cell.column < sides or tidy(cell.value.printed) in NO_VALUE:
            continue
        value = cell.value
        items.append(
            ReadItem(
                series=join_headers([at.get((row, cell.column), "") for row in range(heads)]),
                label=join_headers([at.get((cell.row, column), "") for column in range(sides)]),
                number=value.number if value.HasField("number") else None,
                text=value.printed,
                confidence=value.confidence,
                origin=value.origin,
                fidelity=figure.fidelity,
                value_id=value.value_id,
            )
        )
    return items


def join_headers(texts: list[str]) -> str:
    """Return the headers over or beside a cell as one key, a spanning one once."""
    return " ".join(dict.fromkeys(text for text in texts if text.strip()))
