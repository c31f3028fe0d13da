"""A grid becomes the contract's table: headers told from data, numbers from text."""

from __future__ import annotations

from collections.abc import Sequence

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
from servers.vision.geometry import PixelBox
from servers.vision.numbers import parse_number
from servers.vision.tables.grid import GridCell

_MOST_CELLS = 2000  # of the contract
_DOUBTFUL = 0.7


def table_figure(grid: Sequence[Sequence[GridCell]], column_count: int, box: PixelBox, confidence: float) -> Figure:
    """Return the figure, without its number and without value ids."""
    row_count = min(len(grid), _MOST_CELLS // column_count)
    header_rows = _header_rows(grid)
    header_columns = _header_columns(grid[header_rows:], column_count)
    table = Table(
        row_count=row_count,
        column_count=column_count,
        header_row_count=header_rows,
        header_column_count=header_columns,
    )
    taken: set[tuple[int, int]] = set()
    for cells in grid[:row_count]:
        for cell in sorted(cells, key=lambda cell: cell.column):
            places = {
                (row, column)
                for row in range(cell.row, min(cell.row + cell.row_span, row_count))
                for column in range(cell.column, cell.column + cell.column_span)
            }
            taken |= places
            table.cells.append(_message(cell, header_rows, header_columns))
    for row in range(row_count):
        for column in range(column_count):
            if (row, column) not in taken:
                table.cells.append(_message(GridCell(row, column), header_rows, header_columns))
    table.cells.sort(key=lambda cell: (cell.row, cell.column))
    figure = Figure(box=box.to_proto(), table=table, confidence=confidence, fidelity=FIDELITY_PASS)
    _doubt(figure, dropped=len(grid) - row_count)
    return figure


def _message(cell: GridCell, header_rows: int, header_columns: int) -> Cell:
    is_header = cell.row < header_rows or cell.column < header_columns
    value = Value(printed=cell.text[:2000], origin=ORIGIN_PRINTED, confidence=1.0)
    unit = ""
    if cell.segments:
        value.box.CopyFrom(cell.box.to_proto())
        value.confidence = min(1.0, min(segment.confidence for segment in cell.segments))
        parsed = parse_number(cell.text)
        if parsed is not None:
            value.number = parsed.number
            unit = parsed.unit
    return Cell(
        row=cell.row,
        column=cell.column,
        row_span=cell.row_span,
        column_span=cell.column_span,
        is_header=is_header,
        value=value,
        unit=unit,
    )


def _header_rows(grid: Sequence[Sequence[GridCell]]) -> int:
    """Return how many leading rows hold no data; the first row is a header where nothing says otherwise."""
    for index, cells in enumerate(grid):
        numbers = [parse_number(cell.text) for cell in cells if cell.column > 0]
        found = [number for number in numbers if number is not None]
        are_years = bool(found) and all(1900 <= n.number <= 2100 and n.decimals == 0 and not n.unit for n in found)
        if found and not (are_years and index == 0):
            # A row of one text above the data names a group of rows, not the columns.
            while index > 1 and len([cell for cell in grid[index - 1] if cell.segments]) == 1:
                index -= 1
            return index
    return min(1, len(grid) - 1)


def _header_columns(body: Sequence[Sequence[GridCell]], column_count: int) -> int:
    """Return how many leading columns hold mostly words, with at least one column of numbers after them."""
    shares = []
    for column in range(column_count):
        cells = [cell for cells in body for cell in cells if cell.column == column and cell.segments]
        shares.append(sum(cell.is_numeric for cell in cells) / len(cells) if cells else 0.0)
    numeric = [column for column, share in enumerate(shares) if share >= 0.5]
    if not numeric:
        return 1
    if numeric[0] == 0:
        # Years and codes name rows too, but only words say so for sure.
        return 0
    return min(numeric[0], 2)


def _doubt(figure: Figure, dropped: int) -> None:
    doubtful = [cell.value for cell in figure.table.cells if cell.value.printed and cell.value.confidence < _DOUBTFUL]
    if dropped > 0:
        figure.reasons.append(
            FidelityReason(code="rows_left_out", message=f"{dropped} rows are over the size of a table and left out.")
        )
    if len(doubtful) > 0.1 * sum(bool(cell.value.printed) for cell in figure.table.cells):
        figure.reasons.append(
            FidelityReason(code="hard_to_read", message=f"{len(doubtful)} cells were hard to read: compare them.")
        )
    if figure.reasons:
        figure.fidelity = FIDELITY_REVIEW
