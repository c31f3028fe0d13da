"""Reads what a program's own process says of the run: a claim of hostile code, checked for form, size and sense.

Two lines of JSON: what happened, and what was shown. A line that is not as our own code would have written it is
dropped; nothing is decided by either but how the program's own failure reads.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from loupe.sandbox.v1.figure_data_pb2 import AxesData, Axis, AxisKind, FigureData, Series, SeriesKind, Tick
from loupe.sandbox.v1.sandbox_pb2 import PythonError
from loupe.sandbox.v1.shown_value_pb2 import Cell, Column, DataTable, Row, ShownValue
from loupe.type.v1.geometry_pb2 import Box
from sandbox.runners.guest_code import MOST_REPORT_BYTES

Refused = Literal["", "memory", "disk", "processes", "network"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """One figure, and the files in /work that the program says show it."""

    data: FigureData
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What was said, as far as it could be."""

    error: PythonError | None = None
    refused: Refused = ""
    """Which limit the exception tells of."""
    captured: tuple[str, ...] = ()
    """Files of captured figures."""
    notes: tuple[str, ...] = ()
    figures: tuple[Drawn, ...] = ()
    value: ShownValue | None = None


def parse(report: bytes) -> Report:
    """Return a report; an empty one where none was made, or not by our code."""
    if len(report) >= MOST_REPORT_BYTES:
        return Report()
    first, _, second = report.partition(b"\n")
    happened, shown = _Happened(error=None, figures=[], notes=[]), _Shown(figures=[], value=None)
    try:
        happened = _Happened.model_validate_json(first)
        shown = _Shown.model_validate_json(second)
    except ValidationError:
        pass
    error = happened.error
    return Report(
        error=PythonError(type=error.type, message=error.message, line=error.line) if error else None,
        refused=error.refused if error else "",
        captured=tuple(happened.figures),
        notes=tuple(happened.notes),
        figures=tuple(Drawn(figure.message(), tuple(figure.files)) for figure in shown.figures),
        value=shown.value.message() if shown.value else None,
    )


Number = Annotated[float, Field(allow_inf_nan=False)]
Numbers = Annotated[list[Number], Field(max_length=10_000)]
Count = Annotated[int, Field(ge=0, lt=2**32)]
Text = Annotated[str, Field(max_length=500)]
Pixel = Annotated[int, Field(ge=0, le=100_000)]
_Box = tuple[Pixel, Pixel, Pixel, Pixel]


class _Claim(BaseModel):
    model_config = ConfigDict(strict=True)


class _Error(_Claim):
    type: str = Field(max_length=1000)
    message: str = Field(max_length=2000)
    line: int = Field(ge=0, lt=2**31)
    refused: Refused


class _Happened(_Claim):
    error: _Error | None
    figures: list[Text] = Field(max_length=100)
    notes: list[Text] = Field(max_length=10)


class _Tick(_Claim):
    value: Number
    label: Text


class _Axis(_Claim):
    label: Text
    kind: Literal["NUMBER", "CATEGORY", "TIME"]
    scale: Text
    lower: Number
    upper: Number
    categories: list[Text] = Field(max_length=1000)
    ticks: list[_Tick] = Field(max_length=100)

    def message(self) -> Axis:
        return Axis(
            label=self.label,
            kind=AxisKind.Value(f"AXIS_KIND_{self.kind}"),
            scale=self.scale,
            lower=self.lower,
            upper=self.upper,
            categories=self.categories,
            ticks=[Tick(value=tick.value, label=tick.label) for tick in self.ticks],
        )


class _Series(_Claim):
    name: Text
    kind: Literal["LINE", "SCATTER", "BAR", "BAR_HORIZONTAL", "AREA", "PIE", "IMAGE", "TABLE"]
    x: Numbers
    y: Numbers
    base: Numbers
    labels: list[Text] = Field(max_length=10_000)
    row_count: Count
    column_count: Count
    point_count: Count
    boxes: list[_Box] = Field(max_length=2_000)
    lines: list[Annotated[int, Field(ge=1, lt=2**31)]] = Field(max_length=8)

    @model_validator(mode="after")
    def _each_point_is_whole(self) -> "_Series":
        is_table = self.kind == "TABLE"
        count = len(self.labels if is_table else self.y)
        columns = (self.x, self.base, self.labels)
        if any(len(column) not in (0, count) for column in columns) or count > self.point_count:
            raise ValueError("points lack a part")
        if is_table and (self.x or self.y or self.base):
            raise ValueError("a table has no numbers on an axis")
        if len(self.boxes) > count or any(box[0] > box[2] or box[1] > box[3] for box in self.boxes):
            raise ValueError("a box belongs to no point, or is none")
        return self

    def message(self) -> Series:
        return Series(
            name=self.name,
            kind=SeriesKind.Value(f"SERIES_KIND_{self.kind}"),
            x=self.x,
            y=self.y,
            base=self.base,
            labels=self.labels,
            row_count=self.row_count,
            column_count=self.column_count,
            point_count=self.point_count,
            boxes=[Box(x_min=box[0], y_min=box[1], x_max=box[2], y_max=box[3]) for box in self.boxes],
            lines=self.lines,
        )


class _Axes(_Claim):
    title: Text
    x_axis: _Axis
    y_axis: _Axis
    series: list[_Series] = Field(max_length=200)
    omitted_series_count: Count

    def message(self) -> AxesData:
        return AxesData(
            title=self.title,
            x_axis=self.x_axis.message(),
            y_axis=self.y_axis.message(),
            series=[series.message() for series in self.series],
            omitted_series_count=self.omitted_series_count,
        )


class _Figure(_Claim):
    title: Text
    axes: list[_Axes] = Field(max_length=64)
    omitted_axes_count: Count
    files: list[Annotated[str, Field(max_length=1000)]] = Field(max_length=20)

    def message(self) -> FigureData:
        return FigureData(
            title=self.title,
            axes=[axes.message() for axes in self.axes],
            omitted_axes_count=self.omitted_axes_count,
        )


class _Column(_Claim):
    name: Text
    dtype: Text
    is_index: bool


class _Table(_Claim):
    columns: list[_Column] = Field(max_length=60)
    rows: list[list[bool | Number | Text | None]] = Field(max_length=200)
    row_count: Count
    column_count: Count

    @model_validator(mode="after")
    def _each_row_is_whole(self) -> "_Table":
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError("a row has too few cells, or too many")
        return self

    def message(self) -> DataTable:
        return DataTable(
            columns=[Column(name=one.name, dtype=one.dtype, is_index=one.is_index) for one in self.columns],
            rows=[Row(cells=[_cell(value) for value in row]) for row in self.rows],
            row_count=self.row_count,
            column_count=self.column_count,
        )


class _Value(_Claim):
    type: Text
    is_truncated: bool
    table: _Table | None = None
    text: str = Field(default="", max_length=10_000)
    dtype: Text = ""
    shape: list[Count] = Field(default=[], max_length=64)

    def message(self) -> ShownValue:
        value = ShownValue(type=self.type, is_truncated=self.is_truncated, dtype=self.dtype, shape=self.shape)
        if self.table:
            value.table.CopyFrom(self.table.message())
        else:
            value.text = self.text
        return value


class _Shown(_Claim):
    figures: list[_Figure] = Field(max_length=100)
    value: _Value | None


def _cell(value: bool | float | str | None) -> Cell:
    if isinstance(value, bool):
        return Cell(boolean=value)
    if isinstance(value, str):
        return Cell(text=value)
    return Cell() if value is None else Cell(number=value)
