"""A grid becomes the contract's table: headings told from data, numbers from text."""

from __future__ import annotations

from loupe.type.v1.figure_pb2 import (
    FIDELITY_PASS,
    FIDELITY_REVIEW,
    ORIGIN_PRINTED,
    Cell,
    FidelityReason,
    Figure,
    Table,
    Value,
)
from servers.vision.numbers import parse_number
from servers.vision.tables.grid import Grid, GridCell

_MOST_CELLS, _MOST_ROWS, _MOST_COLUMNS = 2000, 1000, 200  # of the contract
_MOST_LETTERS = 2000
_WORDS = 0.5  # of a column's filled cells that are no data, in a column that names rows
_MOST_LABEL_COLUMNS = 2


def table_figure(grid: Grid, confidence: float) -> Figure:
    """Return the figure, without its number and without value ids."""
    columns = min(grid.column_count, _MOST_COLUMNS)
    rows = min(grid.row_count, _MOST_ROWS, _MOST_CELLS // columns)
    head_rows = min(grid.head_count, max(0, rows - 1))
    head_columns = _label_columns(grid, head_rows)
    table = Table(
        title=grid.title[:_MOST_LETTERS],
        row_count=rows,
        column_count=columns,
        header_row_count=head_rows,
        header_column_count=head_columns,
    )
    taken: set[tuple[int, int]] = set()
    for cell in sorted(grid.cells, key=lambda cell: (cell.row, cell.column)):
        places = {(row, column) for row in cell.rows for column in cell.columns if row < rows and column < columns}
        if places and not places & taken:
            taken |= places
            table.cells.append(_message(cell, rows, columns, head_rows, head_columns))
    for row in range(rows):
        for column in range(columns):
            if (row, column) not in taken:
                table.cells.append(_message(GridCell(row, column), rows, columns, head_rows, head_columns))
    table.cells.sort(key=lambda cell: (cell.row, cell.column))
    figure = Figure(box=grid.box.to_proto(), table=table, confidence=confidence, fidelity=FIDELITY_PASS)
    if rows < grid.row_count or columns < grid.column_count:
        figure.fidelity = FIDELITY_REVIEW
        left_out = f"{grid.row_count - rows} rows and {grid.column_count - columns} columns"
        figure.reasons.append(
            FidelityReason(code="rows_left_out", message=f"{left_out} are over the size of a table and left out.")
        )
    return figure


def _message(cell: GridCell, rows: int, columns: int, head_rows: int, head_columns: int) -> Cell:
    value = Value(printed=cell.text[:_MOST_LETTERS], origin=ORIGIN_PRINTED, confidence=1.0)
    unit = ""
    if cell.pieces:
        value.box.CopyFrom(cell.box.to_proto())
        value.confidence = min(1.0, min(piece.confidence for piece in cell.pieces))
        parsed = parse_number(cell.text)
        if parsed is not None:
            value.number = parsed.number
            unit = parsed.unit
    return Cell(
        row=cell.row,
        column=cell.column,
        row_span=min(cell.row_span, rows - cell.row),
        column_span=min(cell.column_span, columns - cell.column),
        is_header=cell.row < head_rows or cell.column < head_columns,
        value=value,
        unit=unit,
    )


def _label_columns(grid: Grid, head_rows: int) -> int:
    """Return how many leading columns hold mostly words, with at least one column of data after them."""
    measured = []
    for column in range(grid.column_count):
        cells = [
            cell for cell in grid.filled()
            if cell.row >= head_rows and cell.column == column and cell.column_span == 1
        ]  # fmt: skip
        # Ranges of ages and dates name rows; a mean with its deviation does not.
        data = sum(_is_data(cell) if column else parse_number(cell.text) is not None for cell in cells)
        if cells and data >= _WORDS * len(cells):
            measured.append(column)
    # Years and codes name rows too, but only words say so for sure.
    return min(measured[0], _MOST_LABEL_COLUMNS) if measured else 1


def _is_data(cell: GridCell) -> bool:
    return parse_number(cell.text) is not None or any(piece.is_data for piece in cell.pieces)
