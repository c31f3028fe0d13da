"""A table's cells seen from their columns: what is data, what names it, and in which form it is printed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from loupe.type.v1 import figure_pb2
from servers.vision.numbers import parse_number

_CURRENCY = frozenset(("$", "US$", "A$", "C$", "R$", "€", "£", "¥", "₹", "₩", "CHF", "USD", "EUR", "GBP", "JPY", "INR"))
_NOTHING = re.compile(r"[-–—−.]{1,3}|n/?a|\*", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class TableColumn:
    """The filled cells of one column below the headings, top to bottom, without labels of rows and spanning ones."""

    index: int
    cells: tuple[figure_pb2.Cell, ...]
    empty: tuple[figure_pb2.Cell, ...]
    """Its places without text."""
    forms: tuple[str, ...]
    """Of each filled cell."""
    usual: str
    """The form that most cells have which hold anything at all."""

    @property
    def share(self) -> float:
        """Of the cells that hold anything, how many have the usual form."""
        told = [form for form in self.forms if form]
        return told.count(self.usual) / len(told) if told else 0.0


class TableView:
    """The cells of a table by place."""

    def __init__(self, table: figure_pb2.Table) -> None:
        self.table = table
        self.heads = table.header_row_count
        self.sides = table.header_column_count
        self._at = {
            (row, column): cell
            for cell in table.cells
            for row in range(cell.row, cell.row + max(1, cell.row_span))
            for column in range(cell.column, cell.column + max(1, cell.column_span))
        }

    @cached_property
    def columns(self) -> tuple[TableColumn, ...]:
        """The columns of data, left to right."""
        return tuple(self._column(index) for index in range(self.sides, self.table.column_count))

    @cached_property
    def data(self) -> tuple[figure_pb2.Cell, ...]:
        """The filled cells that are no headings and no labels of rows, in the table's order."""
        return tuple(cell for cell in self.table.cells if not self.is_name(cell) and is_filled(cell))

    def is_name(self, cell: figure_pb2.Cell) -> bool:
        """Tell whether a cell names rows or columns."""
        return cell.row < self.heads or cell.column < self.sides

    def at(self, row: int, column: int) -> figure_pb2.Cell | None:
        """Return the cell that covers a place."""
        return self._at.get((row, column))

    def heads_of(self, column: int) -> list[figure_pb2.Cell]:
        """Return the filled headings over a column, top to bottom, each once."""
        return self._each_once([(row, column) for row in range(self.heads)])

    def labels_of(self, row: int) -> list[figure_pb2.Cell]:
        """Return the filled cells that name a row, left to right, each once."""
        return self._each_once([(row, column) for column in range(self.sides)])

    def _each_once(self, places: Sequence[tuple[int, int]]) -> list[figure_pb2.Cell]:
        found = {id(cell): cell for place in places if (cell := self._at.get(place)) is not None and is_filled(cell)}
        return list(found.values())

    def _column(self, index: int) -> TableColumn:
        whole = [
            cell
            for cell in self.table.cells
            if cell.column == index and cell.row >= self.heads and max(1, cell.column_span) == 1
        ]
        filled = tuple(cell for cell in whole if is_filled(cell))
        forms = tuple(form_of(cell.value.printed) for cell in filled)
        usual = Counter(form for form in forms if form).most_common(1)
        empty = tuple(cell for cell in whole if not is_filled(cell))
        return TableColumn(index, filled, empty, forms, usual[0][0] if usual else "")


def is_filled(cell: figure_pb2.Cell) -> bool:
    """Tell whether a cell holds text."""
    return bool(cell.value.printed.strip())


def form_of(text: str) -> str:
    """Return the form of a printed text: equal for what is printed alike, empty for a dash that says nothing.

    Of a number its decimals and its unit (a currency often stands in the first row only); of other texts with digits
    everything but these, such as "9.9 ± 9.9"; "words" for the rest.
    """
    text = text.strip()
    if _NOTHING.fullmatch(text):
        return ""
    parsed = parse_number(text)
    if parsed is not None:
        return f"number .{parsed.decimals} {'' if parsed.unit in _CURRENCY else parsed.unit}"
    return _DIGITS.sub("9", text) if is_measured(text) else "words"


def is_measured(text: str) -> bool:
    """Tell whether a text is data: as many digits as letters or more."""
    digits = sum(character.isdigit() for character in text)
    return digits > 0 and digits >= sum(character.isalpha() for character in text)
