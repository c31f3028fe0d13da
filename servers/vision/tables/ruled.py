"""Tables drawn with rules on all sides of their cells."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.geometry import PixelBox
from servers.vision.tables.cell_text import CellReader
from servers.vision.tables.digits import mend_digits
from servers.vision.tables.grid import Grid, GridCell, Piece
from servers.vision.tables.lines import Line, Run, find_lines
from servers.vision.tables.sides import Sides

_SAME_LINE_PX = 4
_DRAWN = 0.5  # share of a cell's side that is ruled
_LEAST_RULE_PX = 20
_LEAST_RULE_SHARE = 0.2
_MOST_CELLS = 4000
_HELD = 0.9  # of the words in the net's box that its cells hold
_BAND_STEP = 8  # grey levels
_MOST_HEAD = 0.5


def find_nets(horizontal: NDArray[np.uint8], vertical: NDArray[np.uint8]) -> list[PixelBox]:
    """Return the boxes of the nets that crossing rules form, of at least 2 by 2 cells, largest first."""
    near = np.ones((3, 3), np.uint8)
    net = cv2.dilate(np.maximum(horizontal, vertical), near)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(net, connectivity=8)
    nets = []
    for index in range(1, count):
        x, y, width, height, _ = (int(value) for value in stats[index])
        if width < 2 * _LEAST_RULE_PX or height < 2 * _LEAST_RULE_PX:
            continue
        inside = labels[y : y + height, x : x + width] == index
        xs = _positions(vertical[y : y + height, x : x + width] * inside, axis=0)
        ys = _positions(horizontal[y : y + height, x : x + width] * inside, axis=1)
        if len(xs) >= 3 and len(ys) >= 3 and len(xs) * len(ys) <= _MOST_CELLS:
            nets.append(PixelBox(float(x), float(y), float(x + width), float(y + height)))
    return sorted(nets, key=lambda box: -box.area)


def read_net(
    rgb: NDArray[np.uint8],
    box: PixelBox,
    words: Sequence[PixelBox],
    masks: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    reader: CellReader,
    height_px: float,
) -> Grid | None:
    """Return the grid of a net's cells; None where its rules don't part all rows and columns.

    Args:
      words: ink words of the page.
      masks: uint8 [h, w], 1 on the horizontal and on the vertical rules.
    """
    x0, y0, x1, y1 = (int(edge) for edge in box)
    across, down = (mask[y0:y1, x0:x1] for mask in masks)
    part = rgb[y0:y1, x0:x1]
    upright, level = Sides(part), Sides(part.transpose(1, 0, 2))
    xs = _with_ends(_positions(down, axis=0), x1 - x0, height_px)
    ys = level.more(_with_ends(_positions(across, axis=1), y1 - y0, height_px), xs, height_px)
    xs = upright.more(xs, ys, height_px)
    cells = _net_cells(_Drawn(down, upright), _Drawn(across.T, level), xs, ys)
    inside = [word for word in words if box.contains_point(word.center_x, word.center_y)]
    held = 0
    for cell in cells:
        bounds = PixelBox(x0 + xs[cell.column], y0 + ys[cell.row], x0 + xs[cell.columns.stop], y0 + ys[cell.rows.stop])
        own = [word for word in inside if bounds.contains_point(word.center_x, word.center_y)]
        held += len(own)
        for line in find_lines(own, height_px) or [Line((word,)) for word in own[:1]]:
            said = reader.read(line.words, height_px)
            cell.pieces.append(Piece(Run(line.words), said.text, said.confidence, cell.column, cell.columns.stop - 1))
    if not inside or held < _HELD * len(inside) or _holds_rows(cells):
        return None
    grid = Grid(box, len(ys) - 1, len(xs) - 1, 0, cells)
    grid = _without_empty(grid)
    if grid.row_count < 2 or grid.column_count < 2:
        return None
    grid.head_count = _head_count(rgb, grid)
    edges = [x0 + x for x in xs]
    if len(edges) == grid.column_count + 1 and grid.head_count == 0:
        _add_head(grid, words, edges, reader, height_px)
    mend_digits(grid)
    return grid


def _add_head(
    grid: Grid, words: Sequence[PixelBox], bounds: Sequence[int], reader: CellReader, height_px: float
) -> None:
    """Give a net that begins with data the headings that stand right above it, on a band without rules of its own."""
    row_height = grid.box.height / grid.row_count
    above = [
        word
        for word in words
        if grid.box.y_min - 1.5 * row_height < word.center_y < grid.box.y_min and bounds[0] < word.center_x < bounds[-1]
    ]
    lines = find_lines(above, height_px)
    if not lines:
        return
    heads: dict[int, list[PixelBox]] = {}
    for word in lines[-1].words:
        heads.setdefault(int(np.searchsorted(bounds, word.center_x)) - 1, []).append(word)
    if len(heads) < max(2, grid.column_count - 1):
        return
    for cell in grid.cells:
        cell.row += 1
    for column, own in sorted(heads.items()):
        said = reader.read(own, height_px)
        grid.cells.append(
            GridCell(0, column, pieces=[Piece(Run(tuple(own)), said.text, said.confidence, column, column)])
        )
    grid.box = grid.box._replace(y_min=lines[-1].box.y_min)
    grid.row_count += 1
    grid.head_count = 1


class _Drawn:
    """Which sides from top to bottom are drawn."""

    def __init__(self, mask: NDArray[np.uint8], sides: Sides) -> None:
        self._mask = mask
        self._sides = sides

    def __call__(self, x: int, top: int, bottom: int) -> bool:
        band = slice(max(0, x - _SAME_LINE_PX), x + _SAME_LINE_PX + 1)
        inner = slice(top + 2, max(bottom - 1, top + 3))
        share = float(self._mask[inner, band].any(axis=1).mean())
        return share >= _DRAWN or self._sides.is_drawn(x, top, bottom)


def _net_cells(is_down: _Drawn, is_across: _Drawn, xs: Sequence[int], ys: Sequence[int]) -> list[GridCell]:
    """Return the cells, those that no rule parts as one."""
    columns, rows = len(xs) - 1, len(ys) - 1
    owner: dict[tuple[int, int], GridCell] = {}
    for row in range(rows):
        for column in range(columns):
            if (row, column) in owner:
                continue
            wide = 1
            while (
                column + wide < columns
                and (row, column + wide) not in owner
                and not is_down(xs[column + wide], ys[row], ys[row + 1])
            ):
                wide += 1
            high = 1
            while row + high < rows and not is_across(ys[row + high], xs[column], xs[column + wide]):
                if any(
                    is_down(xs[inner], ys[row + high], ys[row + high + 1]) for inner in range(column + 1, column + wide)
                ):
                    break
                high += 1
            cell = GridCell(row, column, high, wide)
            for place_row in cell.rows:
                for place_column in cell.columns:
                    owner[place_row, place_column] = cell
    return list({id(cell): cell for cell in owner.values()}.values())


def _holds_rows(cells: Sequence[GridCell]) -> bool:
    """Tell whether rows without rules between stand in the cells: several with data line under line."""
    crowded = sum(sum(piece.is_data for piece in cell.pieces) >= 2 and cell.row_span == 1 for cell in cells)
    return crowded >= 2


def _without_empty(grid: Grid) -> Grid:
    """Return the grid without rows and columns that no cell begins in: slits between double rules."""
    rows = sorted({cell.row for cell in grid.filled()})
    columns = sorted({cell.column for cell in grid.filled()})
    kept = []
    for cell in grid.cells:
        inner_rows = [index for index, row in enumerate(rows) if row in cell.rows]
        inner_columns = [index for index, column in enumerate(columns) if column in cell.columns]
        if inner_rows and inner_columns and (cell.pieces or (cell.row in rows and cell.column in columns)):
            cell.row, cell.row_span = inner_rows[0], len(inner_rows)
            cell.column, cell.column_span = inner_columns[0], len(inner_columns)
            kept.append(cell)
    return Grid(grid.box, len(rows), len(columns), 0, kept)


def _head_count(rgb: NDArray[np.uint8], grid: Grid) -> int:
    """Return how many leading rows are headings: on a band of their own, or above the first row with data."""
    papers = []
    for row in range(grid.row_count):
        boxes = [cell.box for cell in grid.filled() if cell.row == row and cell.column > 0] or [
            cell.box for cell in grid.filled() if row in cell.rows
        ]
        if not boxes:
            return min(1, grid.row_count - 1)
        papers.append(np.median([_paper(rgb, box) for box in boxes], axis=0))
    banded = next((i for i, p in enumerate(papers) if np.abs(p - papers[0]).max() > _BAND_STEP), 0)
    if 0 < banded <= max(1, _MOST_HEAD * grid.row_count) and all(
        np.abs(p - papers[0]).max() > _BAND_STEP for p in papers[banded:]
    ):
        return banded
    for row in range(grid.row_count):
        data = [cell for cell in grid.filled() if cell.row == row and cell.column > 0 and cell.pieces[0].is_data]
        years = [cell for cell in data if cell.text.isdecimal() and 1900 <= int(cell.text) <= 2100]
        if data and not (row == 0 and len(years) == len(data)):
            return row
    return 1


def _paper(rgb: NDArray[np.uint8], box: PixelBox) -> NDArray[np.float64]:
    x0, y0, x1, y1 = (int(edge) for edge in box.grown(2, 1).clipped(rgb.shape[1], rgb.shape[0]))
    around = np.concatenate([rgb[y0, x0:x1], rgb[y1 - 1, x0:x1]])
    return np.asarray(np.median(around, axis=0), np.float64)


def _positions(mask: NDArray[np.uint8], axis: int) -> list[int]:
    """Return where the rules stand across their direction, near ones joined."""
    counts = (mask > 0).sum(axis=axis)
    found = np.flatnonzero(counts >= max(_LEAST_RULE_PX, _LEAST_RULE_SHARE * mask.shape[axis]))
    positions: list[int] = []
    for position in found.tolist():
        if positions and position - positions[-1] <= _SAME_LINE_PX:
            positions[-1] = position
        else:
            positions.append(position)
    return positions


def _with_ends(positions: Sequence[int], size: int, height: float) -> list[int]:
    """Return the positions with the ends of the net where rules run on to it: the outer rule is cut off or missing."""
    ends = list(positions)
    if ends[0] > 1.5 * height:
        ends.insert(0, 0)
    if size - ends[-1] > 1.5 * height:
        ends.append(size)
    return ends
