"""Headings of columns: what they span, on how many levels they stand."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from servers.vision.geometry import PixelBox
from servers.vision.tables.columns import Column, column_at, edges_between
from servers.vision.tables.grid import GridCell, Piece
from servers.vision.tables.rows import Placed

# Share of a column's text that a heading over it covers. A heading over one column hardly reaches the next.
_TOUCHED = 0.25
_WHOLE = 0.95  # of the table's width: a rule this long belongs to no heading
_RULE_ABOVE, _RULE_BELOW = 0.4, 1.9  # letter heights below a heading in which its rule stands
_THIN_PX, _THIN = 3, 0.35  # px, letter heights; a thicker one is the edge of a band
_OFF_CENTER = 0.9  # letter heights
_MIDDLE = 0.4  # letter heights
_OFF_CENTER_SHARE = 0.12  # of the width spanned


def reach_of(box: PixelBox, columns: Sequence[Column], rules: Sequence[PixelBox], height_px: float) -> tuple[int, int]:
    """Return the first and last column that a heading stands over, by the rule under it or by its own width."""
    under = rule_under(box, columns, rules, height_px)
    reach = under or box
    touched = [
        index
        for index, (start, end) in enumerate(columns)
        if min(end, reach.x_max) - max(start, reach.x_min) > _TOUCHED * min(end - start, reach.width)
    ]
    if not touched:
        touched = [column_at(box.center_x, edges_between(columns))]
    return touched[0], touched[-1]


def rule_under(
    box: PixelBox, columns: Sequence[Column], rules: Sequence[PixelBox], height_px: float
) -> PixelBox | None:
    """Return the rule that shows how far a heading spans: right under it, as wide or wider, but not as the table."""
    width = columns[-1][1] - columns[0][0]
    under = [
        rule
        for rule in rules
        if -_RULE_ABOVE * height_px <= rule.y_min - box.y_max <= _RULE_BELOW * height_px
        and rule.x_min <= box.x_min + 0.5 * height_px
        and rule.x_max >= box.x_max - 0.5 * height_px
        and rule.width < _WHOLE * width
        and rule.height <= max(_THIN_PX, _THIN * height_px)
    ]
    return min(under, key=lambda rule: rule.y_min) if under else None


def head_cells(
    lines: Sequence[Placed], columns: Sequence[Column], rules: Sequence[PixelBox], height_px: float
) -> tuple[list[GridCell], int]:
    """Return the headings' cells and how many rows they take, from lines top to bottom."""
    lines = [_widened(line, lines[index + 1 :], columns, height_px) for index, line in enumerate(lines)]
    borders = _levels(lines, columns, rules, height_px)
    count = len(borders) + 1
    cells: list[GridCell] = []
    for line in lines:
        for piece in line.pieces:
            level = sum(piece.box.center_y > border for border in borders)
            cell = next((c for c in cells if c.row == level and _meet(c, piece)), None)
            if cell is None:
                cells.append(GridCell(level, piece.first, 1, piece.last - piece.first + 1, [piece]))
            else:
                cell.column_span = max(cell.column + cell.column_span, piece.last + 1) - min(cell.column, piece.first)
                cell.column = min(cell.column, piece.first)
                cell.pieces.append(piece)
    cells = _without_overlap(cells)
    _stack_lone(cells, lines, len(columns), rules)
    _reach_out(cells, count, columns, rules)
    return cells, count


def _meet(cell: GridCell, piece: Piece) -> bool:
    return piece.first < cell.column + cell.column_span and cell.column <= piece.last


def _levels(
    lines: Sequence[Placed], columns: Sequence[Column], rules: Sequence[PixelBox], height: float
) -> list[float]:
    """Return the y between levels: under each heading that stands over several others."""
    borders: list[float] = []
    for index, line in enumerate(lines):
        for piece in line.pieces:
            if piece.first == piece.last:
                continue
            rule = rule_under(piece.box, columns, rules, height)
            below = [
                [p for p in other.pieces if piece.first <= p.first and p.last <= piece.last]
                for other in lines[index + 1 :]
            ]
            parted = next((pieces for pieces in below if len(pieces) >= 2), None)
            if rule is not None and any(below):
                borders.append(rule.center_y)
            elif parted is not None:
                bottom = max([piece.box.y_max, *(p.box.y_max for ps in below[: below.index(parted)] for p in ps)])
                borders.append((bottom + min(p.box.y_min for p in parted)) / 2)
    merged: list[float] = []
    for border in sorted(borders):
        if not merged or border - merged[-1] > 0.8 * height:
            merged.append(border)
    return merged


def _widened(line: Placed, below: Sequence[Placed], columns: Sequence[Column], height: float) -> Placed:
    """Return the line with headings that stand over the middle of several columns spanning these.

    They must share out all columns that the next line heads among them, the first ones perhaps left out.
    """
    headed = sorted({column for other in below for piece in other.pieces for column in piece.columns})
    if not below:
        return line
    is_level = line.box.y_max < below[0].box.y_min + 0.25 * height
    if not is_level or len(line.pieces) >= len(headed) or all(_is_centred(p, below, height) for p in line.pieces):
        return line
    pieces = sorted(line.pieces, key=lambda piece: piece.first)
    pieces = [piece for piece in pieces if piece.last > piece.first or piece.first in headed]
    if not pieces:
        return line
    for start in range(1 if headed[0] == 0 else 0, min(3, len(headed))):
        shares = _share_out(pieces, headed[start:], columns, height)
        if shares is not None and any(last > first for first, last in shares):
            wide = {id(piece): share for piece, share in zip(pieces, shares, strict=True)}
            return Placed(
                tuple(Piece(p.run, p.text, p.confidence, *wide[id(p)]) if id(p) in wide else p for p in line.pieces)
            )
    return line


def _is_centred(piece: Piece, below: Sequence[Placed], height: float) -> bool:
    """Tell whether a heading of two lines stands in its row's middle: one above and one below the others' line."""
    if len(below) < 2 or any(piece.first in other.columns for other in below[0].pieces):
        return False
    middle = (piece.box.center_y + below[1].box.center_y) / 2
    return abs(below[0].box.center_y - middle) <= _MIDDLE * height and any(
        abs(other.box.center_x - piece.box.center_x) <= _OFF_CENTER * height
        or abs(other.box.x_min - piece.box.x_min) <= _MIDDLE * height
        or abs(other.box.x_max - piece.box.x_max) <= _MIDDLE * height
        for other in below[1].pieces
    )


def _share_out(
    pieces: Sequence[Piece], headed: Sequence[int], columns: Sequence[Column], height: float
) -> list[tuple[int, int]] | None:
    """Return the stretch of columns, one after the other, in whose middle each heading stands; None where none fits."""
    if not pieces:
        return [] if not headed else None
    for count in range(1, len(headed) - len(pieces) + 2):
        first, last = headed[0], headed[count - 1]
        if last - first != count - 1:
            break
        piece = pieces[0]
        start, end = columns[first][0], columns[last][1]
        off = abs((start + end) / 2 - piece.box.center_x)
        covers = first <= piece.first and piece.last <= last
        if covers and off <= max(_OFF_CENTER * height, _OFF_CENTER_SHARE * (end - start)):
            rest = _share_out(pieces[1:], headed[count:], columns, height)
            if rest is not None:
                return [(first, last), *rest]
    return None


def _without_overlap(cells: list[GridCell]) -> list[GridCell]:
    """Return the cells, those of one level that came to share a column joined."""
    kept: list[GridCell] = []
    for cell in sorted(cells, key=lambda cell: (cell.row, cell.column)):
        last = kept[-1] if kept else None
        if last is not None and last.row == cell.row and cell.column < last.column + last.column_span:
            last.column_span = max(last.column + last.column_span, cell.column + cell.column_span) - last.column
            last.pieces = sorted([*last.pieces, *cell.pieces], key=lambda piece: (piece.box.center_y, piece.box.x_min))
        else:
            kept.append(cell)
    return kept


def _stack_lone(cells: list[GridCell], lines: Sequence[Placed], column_count: int, rules: Sequence[PixelBox]) -> None:
    """Join the lines of a heading beside the levels: in a column over which nothing spans, with no rule between."""
    for column in range(column_count):
        over = sorted((cell for cell in cells if column in cell.columns), key=lambda cell: cell.row)
        if any(cell.column_span > 1 for cell in over):
            continue
        for upper, lower in itertools.pairwise(over):
            between = [
                rule
                for rule in rules
                if upper.box.center_y < rule.center_y < lower.box.center_y
                and rule.x_min <= lower.box.center_x <= rule.x_max
            ]
            if not between:
                lower.pieces = [*upper.pieces, *lower.pieces]
                lower.row_span = lower.row + lower.row_span - upper.row
                lower.row = upper.row
                cells.remove(upper)


def _reach_out(cells: Sequence[GridCell], count: int, columns: Sequence[Column], rules: Sequence[PixelBox]) -> None:
    """Let headings reach over the empty levels of their columns, first down, then up, as far as no rule stops them."""
    taken = {(row, column) for cell in cells for row in cell.rows for column in cell.columns}
    top, bottom = min(cell.box.y_min for cell in cells), max(cell.box.y_max for cell in cells)
    for cell in cells:
        if cell.column_span > 1:
            continue
        start, end = columns[cell.column]
        own = [rule.center_y for rule in rules if rule.x_min <= (start + end) / 2 <= rule.x_max]
        while cell.rows.stop < count and (cell.rows.stop, cell.column) not in taken:
            if any(cell.box.center_y < y < bottom for y in own):
                break
            taken.add((cell.rows.stop, cell.column))
            cell.row_span += 1
        while cell.row > 0 and (cell.row - 1, cell.column) not in taken:
            if any(top < y < cell.box.center_y for y in own):
                break
            cell.row -= 1
            cell.row_span += 1
            taken.add((cell.row, cell.column))
