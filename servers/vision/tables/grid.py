"""Segments find their places in a grid: which row, which columns, what spans."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from servers.vision.geometry import PixelBox, union
from servers.vision.numbers import parse_number
from servers.vision.tables.columns import Column
from servers.vision.tables.rows import Row, Segment

# Share of a column's text that a heading over it covers. A heading over one column hardly reaches the next.
_TOUCHED = 0.25


@dataclass
class GridCell:
    """Text at a place of the grid."""

    row: int
    column: int
    row_span: int = 1
    column_span: int = 1
    segments: list[Segment] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its lines, parted by spaces; a word broken by a hyphen at a line's end is one again."""
        joined = ""
        for segment in self.segments:
            is_broken = joined.endswith("-") and joined[-2:-1].isalpha() and segment.text[:1].islower()
            joined = joined[:-1] + segment.text if is_broken else f"{joined} {segment.text}".strip()
        return joined

    @property
    def box(self) -> PixelBox:
        """Around its text."""
        return union(segment.box for segment in self.segments)

    @property
    def is_numeric(self) -> bool:
        """Tell whether the whole text is one number."""
        return parse_number(self.text) is not None


def place(rows: Sequence[Row], columns: Sequence[Column], rules: Sequence[PixelBox]) -> list[list[GridCell]]:
    """Return the cells of each row.

    Args:
      rules: horizontal rules; one under a heading shows how far it spans.
    """
    edges = [(left[1] + right[0]) / 2 for left, right in itertools.pairwise(columns)]
    is_body = [_is_body(row) for row in rows]
    first_body = is_body.index(True) if any(is_body) else min(1, len(rows))
    grid: list[list[GridCell]] = []
    for index, row in enumerate(rows):
        cells: list[GridCell] = []
        for segment in row.segments:
            if index < first_body:
                _put_heading(cells, index, segment, columns, edges, rules)
            else:
                for part in _split(segment, edges):
                    _put(cells, index, _column_of(part.box.center_x, edges), 1, part)
        grid.append(cells)
    for index in range(min(first_body, len(grid) - 1)):
        _widen_headings(grid[index], columns, grid[index + 1])
    return grid


def _is_body(row: Row) -> bool:
    """Tell whether the row holds data: numbers beside a label, years alone make a heading."""
    numbers = [parsed for segment in row.segments[1:] if (parsed := parse_number(segment.text)) is not None]
    looks_like_years = all(1900 <= parsed.number <= 2100 and parsed.decimals == 0 for parsed in numbers)
    return bool(numbers) and not (looks_like_years and len(numbers) == len(row.segments) - 1)


def _column_of(x: float, edges: Sequence[float]) -> int:
    return sum(x >= edge for edge in edges)


def _split(segment: Segment, edges: Sequence[float]) -> list[Segment]:
    """Return the segment's words by column; a label that merely reaches over an edge stays whole."""
    places = [_column_of(word.box.center_x, edges) for word in segment.words]
    if len(set(places)) == 1:
        return [segment]
    groups: list[list[int]] = []
    for index, column in enumerate(places):
        if groups and places[groups[-1][-1]] == column:
            groups[-1].append(index)
        else:
            groups.append([index])
    parts = [Segment(tuple(segment.words[index] for index in group)) for group in groups]
    # Numbers in the wrong column are split off; words that run over belong to their sentence.
    if any(parse_number(part.text) is not None for part in parts[1:]):
        return parts
    return [segment]


def _put(cells: list[GridCell], row: int, column: int, span: int, segment: Segment) -> None:
    for cell in cells:
        if cell.column <= column < cell.column + cell.column_span:
            cell.segments.append(segment)
            return
    cells.append(GridCell(row, column, 1, span, [segment]))


def _put_heading(
    cells: list[GridCell],
    row: int,
    segment: Segment,
    columns: Sequence[Column],
    edges: Sequence[float],
    rules: Sequence[PixelBox],
) -> None:
    box = segment.box
    under = [
        rule
        for rule in rules
        if -0.3 * box.height <= rule.y_min - box.y_max <= 1.8 * box.height
        and rule.x_min <= box.x_min + 0.5 * box.height
        and rule.x_max >= box.x_max - 0.5 * box.height
        and rule.width < 0.95 * (columns[-1][1] - columns[0][0])
    ]
    reach = min(under, key=lambda rule: rule.y_min) if under else box
    touched = [
        index
        for index, (start, end) in enumerate(columns)
        if min(end, reach.x_max) - max(start, reach.x_min) > _TOUCHED * min(end - start, reach.width)
    ]
    if not touched:
        touched = [_column_of(box.center_x, edges)]
    _put(cells, row, touched[0], touched[-1] - touched[0] + 1, segment)


def _widen_headings(cells: list[GridCell], columns: Sequence[Column], below: Sequence[GridCell]) -> None:
    """Give a heading that already spans the neighbours that make it stand in their middle."""
    taken = {column for cell in cells for column in range(cell.column, cell.column + cell.column_span)}
    filled = {cell.column for cell in below}
    for cell in cells:
        if cell.column_span < 2:
            continue
        middle = cell.box.center_x
        best = (abs(_middle(columns, cell.column, cell.column_span) - middle), cell.column, cell.column_span)
        start, end = cell.column, cell.column + cell.column_span - 1
        while start - 1 in filled and start - 1 not in taken:
            start -= 1
        while end + 1 in filled and end + 1 not in taken:
            end += 1
        for first in range(start, cell.column + 1):
            for last in range(cell.column + cell.column_span - 1, end + 1):
                off = abs(_middle(columns, first, last - first + 1) - middle)
                if off < best[0] - 0.25 * cell.box.height:
                    best = (off, first, last - first + 1)
        _, cell.column, cell.column_span = best
        taken |= set(range(cell.column, cell.column + cell.column_span))


def _middle(columns: Sequence[Column], first: int, count: int) -> float:
    return (columns[first][0] + columns[first + count - 1][1]) / 2


def join_wrapped(grid: list[list[GridCell]], rows: Sequence[Row], rules: Sequence[PixelBox]) -> list[list[GridCell]]:
    """Return the grid with the lines of one row joined.

    A line continues the row above where each of its texts stands under one, none is a number, each begins with a
    small letter (or the text above ends in the middle of something), and no rule lies between.
    """
    joined: list[list[GridCell]] = []
    last_line = 0
    for index, cells in enumerate(grid):
        if joined and _continues(joined[-1], cells) and not _is_ruled_off(rows[last_line], rows[index], rules):
            for cell in cells:
                above = next(other for other in joined[-1] if _is_under(cell, other))
                above.segments += cell.segments
        else:
            joined.append(cells)
        last_line = index
    for index, cells in enumerate(joined):
        for cell in cells:
            cell.row = index
    return joined


def _continues(above: Sequence[GridCell], cells: Sequence[GridCell]) -> bool:
    for cell in cells:
        over = next((other for other in above if _is_under(cell, other)), None)
        if over is None or cell.is_numeric or cell.box.y_min - over.box.y_max > 0.9 * cell.box.height:
            return False
        is_open = over.text.endswith((",", "-", "–", "/", "&", "(")) or over.text.count("(") > over.text.count(")")
        if not (cell.text[:1].islower() or is_open) or over.is_numeric:
            return False
    return True


def _is_under(cell: GridCell, other: GridCell) -> bool:
    return other.column <= cell.column < other.column + other.column_span


def _is_ruled_off(above: Row, below: Row, rules: Sequence[PixelBox]) -> bool:
    return any(above.box.center_y < rule.center_y < below.box.center_y for rule in rules)


def span_rows(grid: list[list[GridCell]], columns: Sequence[Column], rules: Sequence[PixelBox]) -> list[list[GridCell]]:
    """Return the grid with labels reaching down over empty places, as far as rules beside them stop short of them."""
    bands = [union(cell.box for cell in cells) if cells else None for cells in grid]
    for index in range(len(grid) - 1):
        upper, lower = bands[index], bands[index + 1]
        if upper is None or lower is None:
            continue
        between = [rule for rule in rules if upper.center_y < rule.center_y < lower.center_y]
        if not between:
            continue
        start = min(rule.x_min for rule in between)
        free = [column for column, (_, end) in enumerate(columns) if end < start]
        filled = {cell.column for cell in grid[index + 1]}
        for column in free:
            above = _reaching(grid, index, column)
            if column not in filled and above is not None:
                above.row_span += 1
    return grid


def _reaching(grid: Sequence[Sequence[GridCell]], row: int, column: int) -> GridCell | None:
    """Return the one-column cell that covers a place, if any does."""
    for cells in grid[: row + 1]:
        for cell in cells:
            if cell.column == column and cell.column_span == 1 and cell.row <= row < cell.row + cell.row_span:
                return cell
    return None
