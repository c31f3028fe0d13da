"""Lines of print become rows of a table: which line goes on in the cells above it, which begins a row."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from servers.vision.geometry import PixelBox, union
from servers.vision.tables.columns import Column
from servers.vision.tables.grid import Piece, join_text

# A sentence goes on after these.
_OPEN_END = re.compile(
    r"(?:[,/&(+–-]|\b(?:a|an|and|as|at|by|for|from|in|into|of|on|or|per|than|that|the|to|versus|vs\.?|with|without))$",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(?:\d{1,3}|[a-zA-Z]|[ivxIVX]+)[.)]\s|\(?[a-z\d]\)\s|[•·▪–-]\s")
_ASIDE = re.compile(r"[(\[].*[)\]]\S{0,3}")  # a standard error or an interval under its estimate
# Distances of lines over the tightest one of the table.
_TIGHT, _LOOSE = 1.15, 1.3
_TIGHTEST_PERCENTILE = 15
_LOOSE_SHARE = 0.2
_OVERLAPPING = 0.25  # letter heights that lines overlap: texts set to the middle of their row
_JOINED = 0.5
_CONTRADICTED = -1.0
_INDENT = 0.8  # letter heights
# Weights of the signs that a line goes on, found by looking at printed tables; what is certain is decided before.
_SMALL_LETTER, _OPEN, _BRACKET, _NO_ROOM = 2.0, 1.5, 1.5, 1.0
_CAPITAL, _DIGIT, _ITEM, _COLON, _ROOM, _FAR, _OUTDENTED, _CHILD = -0.7, -1.0, -2.0, -1.5, -2.0, -2.0, -1.5, -1.0


@dataclass(frozen=True, slots=True)
class Placed:
    """One line with its pieces at their columns."""

    pieces: tuple[Piece, ...]

    @property
    def box(self) -> PixelBox:
        """Around the pieces."""
        return union(piece.box for piece in self.pieces)

    def at(self, column: int) -> Piece | None:
        """Return the piece that stands in a column."""
        return next((piece for piece in self.pieces if piece.first <= column <= piece.last), None)


@dataclass(frozen=True, slots=True)
class _Spacing:
    height: float
    tight: float
    has_loose: bool


def join_rows(
    lines: Sequence[Placed], columns: Sequence[Column], is_parted: Sequence[bool], height_px: float
) -> list[list[Placed]]:
    """Return the lines of each row.

    Args:
      is_parted: for each line, whether a rule or the edge of a coloured band stands above it.
    """
    if not lines:
        return []
    spacing = _spacing(lines, height_px)
    limits = [
        max((p.box.x_max for line in lines for p in line.pieces if p.first == p.last == c), default=columns[c][1])
        for c in range(len(columns))
    ]
    widths = [
        max((p.box.width for line in lines for p in line.pieces if p.first == p.last == c), default=0.0)
        for c in range(len(columns))
    ]
    every_row_is_parted = _every_row(lines, is_parted)
    rows: list[list[Placed]] = [[lines[0]]]
    for line, parted in zip(lines[1:], is_parted[1:], strict=True):
        row = rows[-1]
        is_level = line.box.y_min < row[-1].box.y_max - _OVERLAPPING * height_px and not _is_same_place(row[-1], line)
        is_whole = every_row_is_parted and not _is_conflict(row, line)
        if not parted and (is_level or is_whole or _goes_on(row, line, limits, widths, spacing)):
            row.append(line)
        else:
            rows.append([line])
    return rows


def _spacing(lines: Sequence[Placed], height: float) -> _Spacing:
    steps = np.diff([line.box.center_y for line in lines])
    steps = steps[steps > 0.8 * height]
    if not len(steps):
        return _Spacing(height, 2 * height, False)
    tight = float(np.percentile(steps, _TIGHTEST_PERCENTILE))
    return _Spacing(height, tight, bool(np.mean(steps >= _LOOSE * tight) >= _LOOSE_SHARE))


def _every_row(lines: Sequence[Placed], is_parted: Sequence[bool]) -> bool:
    """Tell whether the rules part single rows: no stretch between them holds two lines of data in one column."""
    if sum(is_parted[1:]) < 2:
        return False
    stretches: list[list[Placed]] = []
    for line, parted in zip(lines, is_parted, strict=True):
        if parted or not stretches:
            stretches.append([])
        stretches[-1].append(line)
    crowded = sum(any(_is_conflict([upper], lower) for upper, lower in itertools.pairwise(s)) for s in stretches)
    return crowded == 0 and len(lines) <= 4 * len(stretches)


def _is_same_place(upper: Placed, lower: Placed) -> bool:
    return any(a.first <= b.last and b.first <= a.last for a in upper.pieces for b in lower.pieces)


def _is_conflict(row: Sequence[Placed], line: Placed) -> bool:
    """Tell whether the line has data where the row has data already."""
    filled = {column for above in row for p in above.pieces if p.is_data and p.first > 0 for column in p.columns}
    return any(piece.is_data and piece.first in filled for piece in line.pieces)


def _goes_on(
    row: Sequence[Placed], line: Placed, limits: Sequence[float], widths: Sequence[float], spacing: _Spacing
) -> bool:
    step = (line.box.center_y - row[-1].box.center_y) / spacing.tight
    if _is_conflict(row, line):
        only_asides = all(_ASIDE.fullmatch(piece.text) for piece in line.pieces)
        return only_asides and spacing.has_loose and step <= _TIGHT and line.at(0) is None
    has_data = any(piece.is_data and piece.first > 0 for above in row for piece in above.pieces)
    scores: list[float] = []
    for piece in line.pieces:
        above = [p for other in row for p in other.pieces if p.first <= piece.last and piece.first <= p.last]
        if above:
            scores.append(_continuity(above, piece, limits, widths, spacing, has_data))
        elif has_data or piece.first == 0:
            return False  # a line that goes on fills no place of its own
        elif line.at(0) is None:
            return False
    if not scores:
        return False
    if spacing.has_loose and len(line.pieces) > 0:
        scores = [score + (1.0 if step <= _TIGHT else 0.0) for score in scores]
    if step >= _LOOSE:
        scores = [score + _FAR for score in scores]
    return float(np.mean(scores)) > _JOINED and min(scores) > _CONTRADICTED


def _continuity(
    above: Sequence[Piece],
    piece: Piece,
    limits: Sequence[float],
    widths: Sequence[float],
    spacing: _Spacing,
    has_data: bool,
) -> float:
    """Return how much a piece looks like the rest of the text above it: above 0 rather than not."""
    last, text = above[-1], join_text([p.text for p in above])
    score = 0.0
    first = piece.text[:1]
    if _NUMBERED.match(piece.text):
        score += _ITEM
    elif first.islower():
        score += _SMALL_LETTER
    elif first.isdigit():
        score += _DIGIT
    elif first.isupper():
        score += _CAPITAL
    if _OPEN_END.search(text):
        score += _OPEN
    elif text.endswith(":"):
        score += _COLON
    if text.count("(") > text.count(")"):
        score += _BRACKET
    word = piece.run.words[0]
    room = 0.45 * spacing.height + word.width
    column = last.first
    has_room = last.box.x_max + room <= limits[column] and last.box.width + room <= widths[column]
    score += _ROOM if has_room else _NO_ROOM
    indent = piece.box.x_min - above[0].box.x_min
    if column == 0 and indent >= _INDENT * spacing.height and not has_data:
        score += _CHILD
    elif column == 0 and indent <= -_INDENT * spacing.height:
        score += _OUTDENTED
    return score
