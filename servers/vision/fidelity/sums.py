"""Printed sums: rows called total, held against what stands above them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from loupe.type.v1 import figure_pb2
from servers.vision.fidelity.cells import TableColumn, TableView
from servers.vision.numbers import parse_number

_TOTAL = re.compile(r"\b(?:sub-?|grand )?totals?\b|\bsum\b|\bgesamt\b|\binsgesamt\b|\bsumme\b", re.IGNORECASE)
_FEWEST = 2
"""Numbers that a sum has."""


@dataclass(frozen=True, slots=True)
class Sum:
    """A total and the numbers that it should be the sum of."""

    total: figure_pb2.Cell
    parts: tuple[figure_pb2.Cell, ...]

    @property
    def agrees(self) -> bool:
        """Tell whether the parts add up, each number being rounded as it is printed."""
        added = sum(part.value.number for part in self.parts)
        slack = sum(_rounding(cell) for cell in (*self.parts, self.total))
        return abs(added - self.total.value.number) <= slack * (1 + 1e-9)


def sums(view: TableView) -> Iterator[Sum]:
    """Yield each total with what stands above it, up to the one before."""
    totals = sorted(
        {
            cell.row
            for cell in view.table.cells
            if cell.row >= view.heads and cell.column < max(1, view.sides) and _TOTAL.search(cell.value.printed)
        }
    )
    for before, row in zip([-1, *totals], totals, strict=False):
        for column in view.columns:
            yield from _sum(column, before, row)


def _sum(column: TableColumn, before: int, row: int) -> Iterator[Sum]:
    numbers = [cell for cell in column.cells if cell.value.HasField("number")]
    total = next((cell for cell in numbers if cell.row == row), None)
    parts = tuple(cell for cell in numbers if before < cell.row < row)
    if total is not None and len(parts) >= _FEWEST:
        yield Sum(total, parts)


def summed_cells(view: TableView) -> set[int]:
    """Return the `id` of each cell that a sum confirms."""
    return {id(cell) for one in sums(view) if one.agrees for cell in (one.total, *one.parts)}


def _rounding(cell: figure_pb2.Cell) -> float:
    parsed = parse_number(cell.value.printed)
    return 0.5 * 10.0**-parsed.decimals * parsed.multiplier if parsed is not None else 0.0
