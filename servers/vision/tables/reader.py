"""Reads the tables of an image: the one entrance of this package."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from loupe.type.v1.figure_pb2 import Figure
from servers.vision.geometry import PixelBox, union
from servers.vision.ink import find_rules
from servers.vision.numbers import parse_number
from servers.vision.tables.columns import find_columns
from servers.vision.tables.grid import GridCell, join_wrapped, place, span_rows
from servers.vision.tables.messages import table_figure
from servers.vision.tables.rows import Row, find_rows, letter_height
from servers.vision.tables.ruled import find_grids, read_grid, rule_boxes
from servers.vision.text import Word

_LEAST_WORDS = 4
_LARGEST_GAP = 4.0  # between rows of one table, in letter heights
_LEAST_ROWS = 3
_MOST_CELL_WORDS = 12  # on average; more is running text in columns
_LEAST_FILLED = 0.4
_MOST_PICTURE = 0.3


def read_tables(rgb: NDArray[np.uint8], words: Sequence[Word], taken: Sequence[PixelBox]) -> list[Figure]:
    """Return the image's tables, an empty list where no grid of text stands outside the charts.

    Args:
      rgb: uint8 [h, w, 3], upright.
      words: all words of the image.
      taken: the boxes of its charts; what lies inside is theirs.
    """
    free = [word for word in words if not any(box.overlap(word.box) > 0.5 for box in taken)]
    if len(free) < _LEAST_WORDS:
        return []
    horizontal, vertical = find_rules(rgb)
    figures: list[Figure] = []
    for box in find_grids(horizontal, vertical):
        if any(box.overlap(chart) > 0.3 for chart in taken):
            continue
        net = read_grid(box, free, horizontal, vertical)
        if net is not None and _is_table(net[0], net[1]) and not _is_picture(rgb, box, free):
            figures.append(table_figure(net[0], net[1], box, 0.9))
            free = [word for word in free if not box.contains_point(word.box.center_x, word.box.center_y)]
    rules = rule_boxes(horizontal)
    for rows in _blocks(find_rows(free)):
        figure = _read_block(rgb, rows, free, rules)
        if figure is not None:
            figures.append(figure)
    return figures


def _read_block(
    rgb: NDArray[np.uint8], rows: Sequence[Row], words: Sequence[Word], rules: Sequence[PixelBox]
) -> Figure | None:
    height = letter_height([word for row in rows for word in row.words])
    columns = find_columns(rows, height)
    if len(columns) < 2:
        return None
    grid = span_rows(join_wrapped(place(rows, columns, rules), rows, rules), columns, rules)
    box = union(row.box for row in rows)
    if not _is_table(grid, len(columns)) or _is_picture(rgb, box, words):
        return None
    numeric = sum(cell.is_numeric for cells in grid for cell in cells)
    return table_figure(grid, len(columns), box, 0.85 if numeric >= len(grid) else 0.6)


def _blocks(rows: Sequence[Row]) -> list[list[Row]]:
    """Return runs of rows that may be a table: close together, from the first row with two segments to the last."""
    runs: list[list[Row]] = []
    for row in rows:
        near = runs and row.box.y_min - runs[-1][-1].box.y_max <= _LARGEST_GAP * row.box.height
        if near:
            runs[-1].append(row)
        else:
            runs.append([row])
    return [trimmed for run in runs if len(trimmed := _trimmed(run)) >= _LEAST_ROWS]


def _trimmed(rows: Sequence[Row]) -> list[Row]:
    parted = [index for index, row in enumerate(rows) if len(row.segments) >= 2]
    if len(parted) < 2 or len(parted) < 0.4 * (parted[-1] - parted[0] + 1):
        return []
    first, last = parted[0], parted[-1]
    # The rest of a label that wraps in the last row.
    label = rows[last].segments[0].box
    while last + 1 < len(rows):
        segments = rows[last + 1].segments
        below = segments[0].box
        if len(segments) > 1 or not segments[0].text[:1].islower() or abs(below.x_min - label.x_min) > label.height:
            break
        last += 1
    return list(rows[first : last + 1])


def _is_table(grid: Sequence[Sequence[GridCell]], column_count: int) -> bool:
    filled = [cell for cells in grid for cell in cells if cell.segments]
    if len(grid) < 2 or column_count < 2 or len(filled) < _LEAST_WORDS:
        return False
    if len(filled) < _LEAST_FILLED * len(grid) * column_count:
        return False
    words = sum(len(cell.text.split()) for cell in filled)
    has_numbers = sum(parse_number(cell.text) is not None for cell in filled) >= max(2, 0.1 * len(filled))
    return words <= (_MOST_CELL_WORDS if has_numbers else 5) * len(filled)


def _is_picture(rgb: NDArray[np.uint8], box: PixelBox, words: Sequence[Word]) -> bool:
    """Tell whether much of the box is neither paper nor text: marks of a chart whose kind is unknown, a photo."""
    x0, y0, x1, y1 = (int(edge) for edge in box.clipped(rgb.shape[1], rgb.shape[0]))
    part = rgb[y0:y1, x0:x1].astype(np.int16)
    if part.size == 0:
        return True
    # Each row of print has its own paper: headers are often on a coloured band.
    paper = np.median(part, axis=1, keepdims=True)
    is_marked = np.abs(part - paper).max(axis=2) > 60
    for word in words:
        left, top, right, bottom = (int(edge) for edge in word.box.grown(2, 2))
        is_marked[max(0, top - y0) : max(0, bottom - y0), max(0, left - x0) : max(0, right - x0)] = False
    return float(is_marked.mean()) > _MOST_PICTURE
