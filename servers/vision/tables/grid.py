"""Cells at their places in a grid."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from servers.vision.geometry import PixelBox, union
from servers.vision.tables.lines import Run

_AMOUNT = re.compile(r"[$\u20ac\u00a3\u00a5<>\u2264\u2265]\s?\d|[-+\u2212(]?\d+[.,]\d")
_DASHES = frozenset("-\u2013\u2014\u2212")


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of words, what it says, and the columns it stands in."""

    run: Run
    text: str
    confidence: float
    first: int
    last: int

    @property
    def box(self) -> PixelBox:
        """Around the words."""
        return self.run.box

    @property
    def columns(self) -> range:
        """The columns it stands in."""
        return range(self.first, self.last + 1)

    @property
    def is_data(self) -> bool:
        """Tell whether it is measured or counted: digits make up at least half of it, or a dash stands for none."""
        if self.text in _DASHES:
            return True
        letters = sum(character.isalpha() for character in self.text)
        digits = sum(character.isdigit() for character in self.text)
        return digits > 0 and (digits >= letters or _AMOUNT.match(self.text) is not None)


@dataclass
class GridCell:
    """Text at a place of the grid."""

    row: int
    column: int
    row_span: int = 1
    column_span: int = 1
    pieces: list[Piece] = field(default_factory=list)
    """From top to bottom."""

    @property
    def text(self) -> str:
        """Its lines, parted by spaces; a word broken by a hyphen at a line's end is one again."""
        return join_text([piece.text for piece in self.pieces])

    @property
    def box(self) -> PixelBox:
        """Around its text."""
        return union(piece.box for piece in self.pieces)

    @property
    def columns(self) -> range:
        """The columns it stands in."""
        return range(self.column, self.column + self.column_span)

    @property
    def rows(self) -> range:
        """The rows it stands in."""
        return range(self.row, self.row + self.row_span)


@dataclass
class Grid:
    """A table's cells, each place at most once; a place without one is empty."""

    box: PixelBox
    row_count: int
    column_count: int
    head_count: int
    """Leading rows of headings; 0 where nothing drawn or said tells."""
    cells: list[GridCell]
    title: str = ""

    def filled(self) -> list[GridCell]:
        """Return the cells that hold text."""
        return [cell for cell in self.cells if cell.pieces]


def join_text(lines: Sequence[str]) -> str:
    """Return lines of a cell as one text."""
    joined = ""
    for line in lines:
        is_broken = joined.endswith("-") and joined[-2:-1].isalpha() and line[:1].islower()
        joined = joined[:-1] + line if is_broken else f"{joined} {line}".strip()
    return joined
