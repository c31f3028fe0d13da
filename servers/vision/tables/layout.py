"""One table's lines of ink become a grid: headings, rows, columns, spans."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from servers.vision.geometry import PixelBox, union
from servers.vision.tables.cell_text import CellReader
from servers.vision.tables.columns import Column, find_columns, split_run, word_columns
from servers.vision.tables.digits import mend_digits
from servers.vision.tables.grid import Grid, GridCell, Piece
from servers.vision.tables.heads import head_cells, reach_of
from servers.vision.tables.lines import Line, Run, column_gap
from servers.vision.tables.rows import Placed, join_rows
from servers.vision.tables.ruling import Ruling

_FULL_RULE = 0.8  # of the table's width
_MOST_HEAD = 0.5  # of the lines
_WALL = 0.5  # of the table's height
_SPLIT = 0.8  # of the gap between columns, at a column's edge
_HEAD_SPLIT = 0.7
_BAND_STEP = 8  # grey levels between the papers of neighbouring bands
_GROUP_WIDTH = 0.5  # a group's heading in the middle of the table


class TableLayout:
    """Builds the grid of one region's lines."""

    def __init__(self, rgb: NDArray[np.uint8], reader: CellReader, ruling: Ruling, height_px: float) -> None:
        self._rgb = rgb
        self._reader = reader
        self._height = height_px
        self._ruling = ruling

    def grid(self, lines: Sequence[Line], most_words: float) -> Grid | None:
        """Return the grid that the lines form, None where they have fewer than two columns.

        Args:
          most_words: on average in a run of words; with more, the lines are running text and none is read.
        """
        box = union(line.box for line in lines)
        rules = self._rules_in(box)
        gap = column_gap(lines, self._height)
        if sum(len(line.words) for line in lines) > most_words * sum(len(line.runs(gap)) for line in lines):
            return None
        lines, title = self._without_title(lines, box, rules, gap)
        head_end = self._head_end(lines, box, rules)
        head, body = lines[:head_end], lines[head_end:]
        if not body:
            return None
        walls = [rule.center_x for rule in self._ruling.vertical if self._is_wall(rule, box)]
        columns = find_columns(head, body, self._height, gap, walls)
        if len(columns) < 2:
            return None
        placed_head = [self._place_head(line, columns, gap, rules) for line in head]
        placed_body = [self._place_body(line, columns, gap) for line in body]
        if not head or _has_lower_level(placed_head, placed_body):
            count = _data_start(placed_body)
            placed_head += [self._place_head(line, columns, gap, rules) for line in body[:count]]
            body, placed_body = body[count:], placed_body[count:]
        cells: list[GridCell] = []
        levels = 0
        if placed_head:
            cells, levels = head_cells(placed_head, columns, rules, self._height)
        parted = self._parted(placed_body, box, rules)
        rows = join_rows(placed_body, columns, parted, self._height)
        # A heading of a group has rows below it; a line alone at the end is a note.
        while len(rows) > 1 and _is_group([piece for line in rows[-1] for piece in line.pieces], len(rows[-1])):
            box = box._replace(y_max=max(piece.box.y_max for line in rows[-2] for piece in line.pieces))
            rows.pop()
        for index, row in enumerate(rows):
            cells += _row_cells(row, index + levels, columns, self._height)
        grid = Grid(box, levels + len(rows), len(columns), levels, cells, title)
        self._span_rows(grid, columns, rules)
        mend_digits(grid)
        return grid

    def _rules_in(self, box: PixelBox) -> list[PixelBox]:
        around = box.grown(2 * self._height, 2 * self._height)
        return [
            rule
            for rule in self._ruling.horizontal
            if around.y_min <= rule.center_y <= around.y_max and min(rule.x_max, box.x_max) > max(rule.x_min, box.x_min)
        ]

    def _is_wall(self, rule: PixelBox, box: PixelBox) -> bool:
        overlap = min(rule.y_max, box.y_max) - max(rule.y_min, box.y_min)
        return overlap >= _WALL * box.height and box.x_min < rule.center_x < box.x_max

    def _full(self, rules: Sequence[PixelBox], box: PixelBox) -> list[PixelBox]:
        """Return the rules as wide as the table."""
        return [
            rule for rule in rules
            if min(rule.x_max, box.x_max) - max(rule.x_min, box.x_min) >= _FULL_RULE * box.width
        ]  # fmt: skip

    def _without_title(
        self, lines: Sequence[Line], box: PixelBox, rules: Sequence[PixelBox], gap: float
    ) -> tuple[list[Line], str]:
        """Return the lines without those of a title above the headings, and the title."""
        full = [rule.center_y for rule in self._full(rules, box)]
        count = 0
        while count < len(lines) - 2 and len(lines[count].runs(gap)) == 1 and lines[count].box.width > 0.3 * box.width:
            count += 1
        is_ruled_off = (
            count > 0
            and any(lines[count - 1].box.center_y < y < lines[count].box.center_y for y in full)
            and any(y > lines[count].box.center_y for y in full)
        )
        if not is_ruled_off:
            return list(lines), ""
        title = " ".join(self._reader.read(line.words, self._height).text for line in lines[:count])
        return list(lines[count:]), title

    def _head_end(self, lines: Sequence[Line], box: PixelBox, rules: Sequence[PixelBox]) -> int:
        """Return how many leading lines are headings by the rule under them or the band behind them; 0 for unknown."""
        papers = [self._paper(line.box, box) for line in lines]
        banded = next((i for i, paper in enumerate(papers) if not _is_alike(paper, papers[0])), 0)
        rest = papers[banded:]
        if 0 < banded <= _MOST_HEAD * len(lines) and sum(_is_alike(p, papers[0]) for p in rest) <= 0.2 * len(rest):
            return banded
        for y in (rule.center_y for rule in self._full(rules, box)):
            count = sum(line.box.center_y < y for line in lines)
            if 0 < count < len(lines):
                return count if count <= max(1, _MOST_HEAD * len(lines)) else 0
        return 0

    def _paper(self, line: PixelBox, box: PixelBox) -> NDArray[np.float64]:
        """Return the usual colour behind a line, across the table."""
        x0, x1 = int(box.x_min), int(box.x_max)
        y0, y1 = int(line.y_min), max(int(line.y_max), int(line.y_min) + 1)
        return np.asarray(np.median(self._rgb[y0:y1, x0:x1].reshape(-1, 3), axis=0), np.float64)

    def _piece(self, run: Run, first: int, last: int) -> Piece:
        said = self._reader.read(run.words, self._height)
        return Piece(run, said.text, said.confidence, first, last)

    def _place_head(self, line: Line, columns: Sequence[Column], gap: float, rules: Sequence[PixelBox]) -> Placed:
        parts = [part for run in line.runs(gap) for part, _, _ in split_run(run, columns, _HEAD_SPLIT * gap)]
        boxes = [part.box for part in parts]
        pieces = []
        for part in parts:
            # A rule under several headings says nothing of each.
            own = [rule for rule in rules if sum(rule.x_min < box.center_x < rule.x_max for box in boxes) == 1]
            pieces.append(self._piece(part, *reach_of(part.box, columns, own, self._height)))
        return Placed(tuple(pieces))

    def _place_body(self, line: Line, columns: Sequence[Column], gap: float) -> Placed:
        pieces: list[Piece] = []
        for run in line.runs(gap):
            for part, first, last in split_run(run, columns, _SPLIT * gap):
                pieces += self._body_pieces(part, first, last, columns)
        return Placed(tuple(_one_a_column(pieces, self._piece)))

    def _body_pieces(self, run: Run, first: int, last: int, columns: Sequence[Column]) -> list[Piece]:
        if first == last:
            return [self._piece(run, first, first)]
        places = word_columns(run, columns)
        groups = [
            (column, Run(tuple(run.words[index] for index in group)))
            for column, group in itertools.groupby(range(len(places)), key=places.__getitem__)
        ]
        parts = [self._piece(group, column, column) for column, group in groups]
        # Numbers in the wrong column are split off; words that run over belong to their sentence.
        if any(part.is_data for part in parts[1:]) and all(part.text for part in parts):
            return parts
        return [self._piece(run, first, last)]

    def _parted(self, lines: Sequence[Placed], box: PixelBox, rules: Sequence[PixelBox]) -> list[bool]:
        """Tell for each line whether a rule or the edge of a coloured band stands above it."""
        parted = []
        for index, line in enumerate(lines):
            if index == 0:
                parted.append(True)
                continue
            above = lines[index - 1]
            between = [
                rule for rule in rules
                if above.box.center_y < rule.center_y < line.box.center_y
                and rule.width >= 0.25 * box.width
                and any(rule.x_min <= p.box.center_x <= rule.x_max for p in line.pieces)
            ]  # fmt: skip
            is_banded = not _is_alike(self._paper(line.box, box), self._paper(above.box, box))
            parted.append(bool(between) or is_banded)
        return parted

    def _span_rows(self, grid: Grid, columns: Sequence[Column], rules: Sequence[PixelBox]) -> None:
        """Let labels reach down over empty places, as far as rules beside them stop short of them."""
        bands = [
            union(cell.box for cell in grid.filled() if cell.row == row)
            if any(cell.row == row for cell in grid.filled()) else None
            for row in range(grid.row_count)
        ]  # fmt: skip
        for row in range(grid.head_count, grid.row_count - 1):
            upper, lower = bands[row], bands[row + 1]
            if upper is None or lower is None:
                continue
            between = [rule for rule in rules if upper.center_y < rule.center_y < lower.center_y]
            if not between:
                continue
            start = min(rule.x_min for rule in between)
            filled = {column for cell in grid.cells if row + 1 in cell.rows for column in cell.columns}
            for cell in grid.cells:
                is_free = cell.column not in filled and columns[cell.column][1] < start
                if is_free and cell.column_span == 1 and cell.rows.stop == row + 1:
                    cell.row_span += 1


def _is_alike(paper: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return float(np.abs(paper - other).max()) <= _BAND_STEP


def _one_a_column(pieces: Sequence[Piece], make: Callable[[Run, int, int], Piece]) -> list[Piece]:
    """Return the pieces, those in one column as one."""
    merged: list[Piece] = []
    for piece in pieces:
        if merged and piece.first <= merged[-1].last:
            run = Run((*merged[-1].run.words, *piece.run.words))
            merged[-1] = make(run, merged[-1].first, max(merged[-1].last, piece.last))
        else:
            merged.append(piece)
    return merged


def _has_lower_level(head: Sequence[Placed], body: Sequence[Placed]) -> bool:
    """Tell whether the headings go on below their rule: under headings that span columns, a line names these."""
    spanned = [piece for line in head for piece in line.pieces if piece.last > piece.first]
    names = [piece for piece in body[0].pieces if piece.first > 0]
    if not spanned or any(piece.is_data for piece in names):
        return False
    return all(sum(piece.first <= name.first <= piece.last for name in names) >= 2 for piece in spanned)


def _data_start(lines: Sequence[Placed]) -> int:
    """Return how many lines stand above the first that holds data; 1 where nothing says otherwise."""
    for index, line in enumerate(lines):
        numbers = [piece for piece in line.pieces if piece.first > 0 and piece.is_data]
        are_years = bool(numbers) and all(
            piece.text.isdecimal() and 1900 <= int(piece.text) <= 2100 for piece in numbers
        )
        if numbers and not (are_years and index == 0):
            while index > 1 and len(lines[index - 1].pieces) == 1 and lines[index - 1].pieces[0].first == 0:
                index -= 1
            return index
    return 1 if len(lines) > 1 else 0


def _is_group(pieces: Sequence[Piece], line_count: int) -> bool:
    """Tell whether a row is one text without data, in its first column or over several: it names the rows below."""
    first = pieces[0]
    is_one = len({piece.first for piece in pieces}) == 1 and len(pieces) == line_count
    return is_one and (first.first == 0 or first.last > first.first) and not any(p.is_data for p in pieces)


def _row_cells(row: Sequence[Placed], index: int, columns: Sequence[Column], height: float) -> list[GridCell]:
    pieces = [piece for line in row for piece in line.pieces]
    if _is_group(pieces, len(row)):
        return [GridCell(index, 0, 1, len(columns), pieces)]
    cells: list[GridCell] = []
    for piece in pieces:
        cell = next((c for c in cells if piece.first in c.columns), None)
        if cell is None:
            cells.append(GridCell(index, piece.first, 1, 1, [piece]))
        else:
            cell.pieces.append(piece)
    # Words that run over into empty places: a label that overhangs stays in its column, a text in the middle spans.
    return cells
