"""Tables drawn with rules on all sides of their cells."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.geometry import PixelBox
from servers.vision.tables.grid import GridCell
from servers.vision.tables.rows import Segment, find_rows
from servers.vision.text import Word

_SAME_LINE_PX = 4
_DRAWN = 0.5  # share of a cell's side that is ruled


def rule_boxes(mask: NDArray[np.uint8]) -> list[PixelBox]:
    """Return the boxes of the rules in a mask of them."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return [
        PixelBox(float(x), float(y), float(x + width), float(y + height))
        for x, y, width, height, _ in stats[1:count].tolist()
    ]


def find_grids(horizontal: NDArray[np.uint8], vertical: NDArray[np.uint8]) -> list[PixelBox]:
    """Return the boxes of the nets that crossing rules form, of at least 2 by 2 cells."""
    near = np.ones((3, 3), np.uint8)
    net = cv2.dilate(np.maximum(horizontal, vertical), near)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(net, connectivity=8)
    grids = []
    for index in range(1, count):
        x, y, width, height, _ = (int(value) for value in stats[index])
        inside = labels[y : y + height, x : x + width] == index
        xs = _positions(vertical[y : y + height, x : x + width] * inside, axis=0)
        ys = _positions(horizontal[y : y + height, x : x + width] * inside, axis=1)
        if len(xs) >= 3 and len(ys) >= 3:
            grids.append(PixelBox(float(x), float(y), float(x + width), float(y + height)))
    return grids


def read_grid(
    box: PixelBox, words: Sequence[Word], horizontal: NDArray[np.uint8], vertical: NDArray[np.uint8]
) -> tuple[list[list[GridCell]], int] | None:
    """Return (cells of each row, number of columns) of the net inside a box; None where it is no net of cells."""
    x0, y0, x1, y1 = (int(edge) for edge in box)
    across, down = horizontal[y0:y1, x0:x1], vertical[y0:y1, x0:x1]
    xs, ys = _positions(down, axis=0), _positions(across, axis=1)
    if len(xs) < 3 or len(ys) < 3:
        return None
    columns, rows = len(xs) - 1, len(ys) - 1
    owner = {(row, column): (row, column) for row in range(rows) for column in range(columns)}
    for row in range(rows):
        for column in range(columns):
            anchor = owner[row, column]
            if column + 1 < columns and not _is_drawn(down, xs[column + 1], ys[row], ys[row + 1], axis=0):
                owner[row, column + 1] = anchor
            below = (row + 1, column)
            if row + 1 < rows and not _is_drawn(across, ys[row + 1], xs[column], xs[column + 1], axis=1):
                owner[below] = anchor
    cells: dict[tuple[int, int], GridCell] = {}
    for place, anchor in owner.items():
        cell = cells.setdefault(anchor, GridCell(*anchor))
        cell.row_span = max(cell.row_span, place[0] - anchor[0] + 1)
        cell.column_span = max(cell.column_span, place[1] - anchor[1] + 1)
    for row_of_text in find_rows([word for word in words if box.contains_point(word.box.center_x, word.box.center_y)]):
        for word in row_of_text.words:
            row = int(np.searchsorted(ys, word.box.center_y - y0)) - 1
            column = int(np.searchsorted(xs, word.box.center_x - x0)) - 1
            place = (min(max(row, 0), rows - 1), min(max(column, 0), columns - 1))
            cells[owner[place]].segments.append(Segment((word,)))
    grid: list[list[GridCell]] = [[] for _ in range(rows)]
    for cell in cells.values():
        grid[cell.row].append(cell)
    return grid, columns


def _positions(mask: NDArray[np.uint8], axis: int) -> list[int]:
    """Return where the rules stand across their direction, near ones joined."""
    counts = (mask > 0).sum(axis=axis)
    found = np.flatnonzero(counts >= max(20, 0.25 * mask.shape[axis]))
    positions: list[int] = []
    for position in found.tolist():
        if positions and position - positions[-1] <= _SAME_LINE_PX:
            positions[-1] = position
        else:
            positions.append(position)
    return positions


def _is_drawn(mask: NDArray[np.uint8], position: int, start: int, end: int, axis: int) -> bool:
    band = slice(max(0, position - _SAME_LINE_PX), position + _SAME_LINE_PX + 1)
    inner = slice(start + 2, max(end - 1, start + 3))
    side = mask[inner, band].any(axis=1) if axis == 0 else mask[band, inner].any(axis=0)
    return float(side.mean()) >= _DRAWN
