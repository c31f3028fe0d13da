"""What a specimen shows: the numbers it was drawn from, exactly as its axes and labels state them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loupe.type.v1 import figure_pb2

Rgb = NDArray[np.uint8]
ScaleKind = Literal["category", "linear", "log", "date"]

TABLE: Literal["table"] = "table"
"""The kind of a table, beside the contract's chart types."""

BOX_SERIES = ("lower whisker", "lower quartile", "median", "upper quartile", "upper whisker")
OUTLIER = "outlier"


@dataclass(frozen=True)
class Region:
    """Where a figure stands, in shares of the picture's width and height, so that scaling the picture keeps it."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float


@dataclass(frozen=True)
class Axis:
    """A numeric axis as drawn."""

    scale: ScaleKind = "linear"
    low: float = 0.0
    high: float = 1.0
    """Values at the ends of the axis; seconds since 1970 for dates."""
    ticks: Mapping[str, float] = field(default_factory=dict)
    """What stands for which value: printed tick label → number."""
    is_year_printed: bool = True
    """False where dates are printed without their year, which then nobody can know."""


@dataclass(frozen=True)
class Bin:
    """One bar of a histogram."""

    lower: float
    upper: float
    count: float


@dataclass(frozen=True)
class FiveNumbers:
    """One box of a box plot."""

    lower_whisker: float
    lower_quartile: float
    median: float
    upper_quartile: float
    upper_whisker: float
    outliers: tuple[float, ...] = ()


@dataclass(frozen=True)
class TrueCell:
    """One cell of a table."""

    row: int
    column: int
    text: str
    number: float | None = None
    """Absent where the cell holds words or nothing."""
    row_span: int = 1
    column_span: int = 1
    is_header: bool = False


@dataclass(frozen=True)
class TrueTable:
    """A table as it was set; every position of the grid belongs to one cell."""

    row_count: int
    column_count: int
    header_row_count: int
    header_column_count: int
    cells: tuple[TrueCell, ...]

    def grid(self) -> list[list[str]]:
        """Return the texts by row and column, a spanning cell's in every position it covers."""
        rows = [["" for _ in range(self.column_count)] for _ in range(self.row_count)]
        for cell in self.cells:
            for row in range(cell.row, cell.row + cell.row_span):
                for column in range(cell.column, cell.column + cell.column_span):
                    rows[row][column] = cell.text
        return rows


@dataclass(frozen=True)
class TrueFigure:
    """One chart or table of a specimen. Only the fields of its kind are filled."""

    kind: int | Literal["table"]
    """A `ChartType` of the contract, or `TABLE`."""
    also: tuple[int, ...] = ()
    """Chart types that name it as well: bars with a line over them have no type of their own."""
    title: str = ""
    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Series → label → value in drawn order; a lone unnamed series is "". Bars, lines over labels, slices, areas."""
    points: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    """Series → (x, y): scatter, and lines and areas over a numeric or date axis (x in seconds since 1970)."""
    bins: tuple[Bin, ...] = ()
    boxes: Mapping[str, FiveNumbers] = field(default_factory=dict)
    table: TrueTable | None = None
    x: Axis = Axis("category")
    """The axis of labels or of x; for horizontal bars still the one that carries the categories."""
    y: Axis = Axis()
    """The axis of values."""
    second: Axis | None = None
    """The second value axis."""
    on_second: tuple[str, ...] = ()
    """Series measured by it."""
    region: Region = Region(0.0, 0.0, 1.0, 1.0)

    @property
    def kind_name(self) -> str:
        """The kind in words: "grouped bar", "table"."""
        if self.kind == TABLE:
            return TABLE
        return type_name(int(self.kind))

    def axis_of(self, series: str) -> Axis:
        """Return the value axis that measures a series."""
        return self.second if self.second is not None and series in self.on_second else self.y

    def to_table(self) -> list[list[str]]:
        """Return rows for RMS-F1: a header of series names, then one row a label; numbers with 10 digits."""
        if self.table is not None:
            return self.table.grid()
        if self.bins:
            return [["lower", "upper", "count"], *([_text(b.lower), _text(b.upper), _text(b.count)] for b in self.bins)]
        if self.boxes:
            rows = [["", *BOX_SERIES]]
            for label, five in self.boxes.items():
                numbers = (
                    five.lower_whisker,
                    five.lower_quartile,
                    five.median,
                    five.upper_quartile,
                    five.upper_whisker,
                )
                rows.append([label, *map(_text, numbers)])
            rows += [[label, OUTLIER, _text(at)] for label, five in self.boxes.items() for at in five.outliers]
            return rows
        if self.values:
            labels = list(dict.fromkeys(label for column in self.values.values() for label in column))
            return [
                ["", *(name or "Value" for name in self.values)],
                *(
                    [label, *(_text(column[label]) if label in column else "" for column in self.values.values())]
                    for label in labels
                ),
            ]
        return [["series", "x", "y"], *([s, _text(x), _text(y)] for s, pairs in self.points.items() for x, y in pairs)]


@dataclass(frozen=True)
class Specimen:
    """A picture and everything it shows."""

    kind: str
    seed: int
    rgb: Rgb
    """uint8 [h, w, 3]"""
    truth: tuple[TrueFigure, ...]


def type_name(chart_type: int) -> str:
    """Return a chart type in words: "horizontal bar"."""
    return figure_pb2.ChartType.Name(figure_pb2.ChartType.ValueType(chart_type))[11:].lower().replace("_", " ")


def _text(number: float) -> str:
    return f"{number:.10g}"
