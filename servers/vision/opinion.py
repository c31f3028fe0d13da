"""A model's figures as the contract's: what it may fill in, and what is added because nothing of it was measured."""

from __future__ import annotations

from loupe.type.v1 import figure_pb2
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse
from servers.kit.models.asking import Unfit
from servers.kit.models.structured import Form
from servers.vision.fidelity.opinions import UNSUPPORTED
from servers.vision.identify import name_values
from servers.vision.measuring import values_of
from servers.vision.numbers import parse_number

_TYPE = "loupe.type.v1"
_NOT_THE_MODELS = (
    *(
        f"loupe.vision.v1.AnalyzeImageResponse.{name}"
        for name in ("width_px", "height_px", "text_blocks", "caption", "reasons", "engine", "description", "cost")
    ),
    *(f"{_TYPE}.Figure.{name}" for name in ("figure_id", "box", "confidence", "fidelity", "reasons")),
    *(f"{_TYPE}.Chart.{name}" for name in ("title_box", "plot_area", "axes", "source_note")),
    *(f"{_TYPE}.Series.{name}" for name in ("color", "value_axis", "name_box")),
    *(f"{_TYPE}.DataPoint.{name}" for name in ("label_box", "mark_box", "color")),
    *(f"{_TYPE}.Value.{name}" for name in ("value_id", "box", "origin", "confidence", "position_px", "base_px")),
    f"{_TYPE}.Cell.unit",
)
"""Ids, boxes, origins, confidences and verdicts: a model can't claim evidence."""
_ITS_OWN = tuple(
    f"{_TYPE}.{name}" for name in ("Chart.type", "Chart.series", "Series.points", "Table.cells", "Cell.value")
)
_MOST_FIGURES = 20


def form() -> Form[AnalyzeImageResponse]:
    """Return the form of what a model sees in an image."""
    return Form(AnalyzeImageResponse, leave_out=_NOT_THE_MODELS, require=_ITS_OWN, complete=_complete, judge=_judge)


def _complete(seen: AnalyzeImageResponse) -> None:
    for number, figure in enumerate(seen.figures, start=1):
        figure.figure_id = f"f{number}"
        figure.confidence = UNSUPPORTED
        for cell in figure.table.cells:
            cell.row_span, cell.column_span = max(1, cell.row_span), max(1, cell.column_span)
            # As read from pixels: a cell's number is what its text says, and nothing else.
            cell.value.ClearField("number")
            parsed = parse_number(cell.value.printed)
            if parsed is not None:
                cell.value.number, cell.unit = parsed.number, parsed.unit
        name_values(figure)
        for value in values_of(figure):
            value.origin = figure_pb2.ORIGIN_MODEL
            value.confidence = UNSUPPORTED
            parsed = parse_number(value.printed) if value.printed else None
            if parsed is not None and figure.HasField("chart"):
                value.number = parsed.number


def _judge(seen: AnalyzeImageResponse) -> None:
    if len(seen.figures) > _MOST_FIGURES:
        raise Unfit(f"there are {len(seen.figures)} figures, at most {_MOST_FIGURES}: the largest ones")
    for figure in seen.figures:
        if figure.HasField("table"):
            _judge_table(figure.table)


def _judge_table(table: figure_pb2.Table) -> None:
    taken: set[tuple[int, int]] = set()
    if table.header_row_count > table.row_count or table.header_column_count > table.column_count:
        raise Unfit("a table has more header rows or columns than rows or columns")
    for cell in table.cells:
        if cell.row + cell.row_span > table.row_count or cell.column + cell.column_span > table.column_count:
            size = f"{table.row_count} rows and {table.column_count} columns"
            raise Unfit(f"a table of {size}, counted from 0, has a cell at row {cell.row}, column {cell.column}")
        for row in range(cell.row, cell.row + cell.row_span):
            for column in range(cell.column, cell.column + cell.column_span):
                if (row, column) in taken:
                    raise Unfit(f"two cells of a table stand at row {row}, column {column}")
                taken.add((row, column))
