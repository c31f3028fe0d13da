"""Reads the tables of an image: the one entrance of this package."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from loupe.type.v1.figure_pb2 import Figure
from servers.vision.geometry import PixelBox
from servers.vision.ink import Ink, find_ink
from servers.vision.numbers import parse_number
from servers.vision.tables.bands import grain, smoothed
from servers.vision.tables.cell_text import CellReader
from servers.vision.tables.grid import Grid
from servers.vision.tables.inkwords import find_ink_words, letter_height
from servers.vision.tables.layout import TableLayout
from servers.vision.tables.lines import Line, find_lines
from servers.vision.tables.messages import table_figure
from servers.vision.tables.regions import blocks, region_lines, ruled_regions
from servers.vision.tables.ruled import find_nets, read_net
from servers.vision.tables.ruling import find_ruling, rule_masks
from servers.vision.text import Word

_LEAST_CELLS = 4
_MOST_CELL_WORDS = 12  # on average; more is running text in columns
_MOST_WORDS_WITHOUT_NUMBERS = 5
_LEAST_FILLED = 0.3
# Ink words in a run, on average: sentences in columns have more.
_MOST_RUN_WORDS, _MOST_RUN_WORDS_RULED = 5.0, 9.0
_MOST_PICTURE = 0.3
_SAME_PLACE = 0.3  # overlap of boxes
_NET_CONFIDENCE = 0.9
# No word is as wide, in letter heights: a band passed for ink. Grey levels of noise that do the same.
_WIDEST_WORD, _LEAST_GRAIN = 12.0, 1.0


def read_tables(rgb: NDArray[np.uint8], words: Sequence[Word], taken: Sequence[PixelBox]) -> list[Figure]:
    """Return the image's tables, an empty list where no grid of text stands outside the charts.

    Args:
      rgb: uint8 [h, w, 3], upright.
      words: all words of the image.
      taken: the boxes of its charts; what lies inside is theirs.
    """
    page = PixelBox(0, 0, rgb.shape[1], rgb.shape[0])
    # Of a turned page; letters under letters pass for a few turned words on any.
    if sum(len(word.text) * (1 if word.angle_deg else -1) for word in words) > 0:
        return []
    ink = find_ink(rgb)
    height = letter_height(ink, page)
    if height == 0:
        return []
    masks = rule_masks(rgb, height)
    ruling = find_ruling(rgb, *masks, height)
    no_text = [*ruling.horizontal, *ruling.vertical, *taken]
    ink_words = _words(rgb, ink, height, no_text)
    reader = CellReader(rgb, words)
    layout = TableLayout(rgb, reader, ruling, height)
    figures: list[Figure] = []
    free = ink_words
    for net in find_nets(*masks):
        if any(net.overlap(box) > _SAME_PLACE for box in taken):
            continue
        grid = read_net(rgb, net, free, masks, reader, height)
        if grid is not None and _is_table(grid) and not _is_picture(rgb, net, free):
            figures.append(table_figure(grid, _NET_CONFIDENCE))
            free = _without(free, figures)
    for region, rule_count in ruled_regions(ruling, height):
        near = [word for word in free if region.x_min - height <= word.center_x <= region.x_max + height]
        beyond = [word for word in free if word.center_x > region.x_max + height]
        lines = region_lines(region, rule_count, find_lines(near, height), beyond, height)
        if len(lines) < 2:
            continue
        figures += _figures(rgb, layout, lines, _MOST_RUN_WORDS_RULED)
        free = _without(free, figures)
    for lines in blocks(find_lines(free, height), height):
        figures += _figures(rgb, layout, lines, _MOST_RUN_WORDS)
    return figures


def _words(rgb: NDArray[np.uint8], ink: Ink, height: float, no_text: Sequence[PixelBox]) -> list[PixelBox]:
    """Return the words' boxes, where noise on a band passes for ink from the picture without grain."""
    page = PixelBox(0, 0, rgb.shape[1], rgb.shape[0])
    found = find_ink_words(ink, page, height, no_text)
    if grain(rgb) < _LEAST_GRAIN and not _banded(found, height):
        return found
    plain = find_ink_words(find_ink(smoothed(rgb)), page, height, no_text)
    return plain if _banded(plain, height) <= _banded(found, height) else found


def _banded(words: Sequence[PixelBox], height: float) -> int:
    """Return how many words are as wide as only a band is."""
    return sum(word.width >= _WIDEST_WORD * height for word in words)


def _figures(rgb: NDArray[np.uint8], layout: TableLayout, lines: Sequence[Line], most_words: float) -> list[Figure]:
    grid = layout.grid(lines, most_words)
    words = [word for line in lines for word in line.words]
    if grid is None or not _is_table(grid) or _is_picture(rgb, grid.box, words):
        return []
    numeric = sum(parse_number(cell.text) is not None for cell in grid.filled())
    return [table_figure(grid, 0.85 if numeric >= grid.row_count else 0.6)]


def _without(words: Sequence[PixelBox], figures: Sequence[Figure]) -> list[PixelBox]:
    boxes = [PixelBox(f.box.x_min, f.box.y_min, f.box.x_max, f.box.y_max) for f in figures]
    return [word for word in words if not any(box.contains_point(word.center_x, word.center_y) for box in boxes)]


def _is_table(grid: Grid) -> bool:
    filled = grid.filled()
    if grid.row_count < 2 or grid.column_count < 2 or len(filled) < _LEAST_CELLS:
        return False
    if sum(len(cell.rows) * len(cell.columns) for cell in filled) < _LEAST_FILLED * grid.row_count * grid.column_count:
        return False
    words = sum(len(cell.text.split()) for cell in filled)
    has_numbers = sum(parse_number(cell.text) is not None for cell in filled) >= max(2, 0.1 * len(filled))
    return words <= (_MOST_CELL_WORDS if has_numbers else _MOST_WORDS_WITHOUT_NUMBERS) * len(filled)


def _is_picture(rgb: NDArray[np.uint8], box: PixelBox, words: Sequence[PixelBox]) -> bool:
    """Tell whether much of the box is neither paper nor text: marks of a chart whose kind is unknown, a photo."""
    x0, y0, x1, y1 = (int(edge) for edge in box.clipped(rgb.shape[1], rgb.shape[0]))
    part = rgb[y0:y1, x0:x1].astype(np.int16)
    if part.size == 0:
        return True
    # Each row of print has its own paper: headers are often on a coloured band.
    paper = np.median(part, axis=1, keepdims=True)
    is_marked = np.abs(part - paper).max(axis=2) > 60
    for word in words:
        left, top, right, bottom = (int(edge) for edge in word.grown(2, 2))
        is_marked[max(0, top - y0) : max(0, bottom - y0), max(0, left - x0) : max(0, right - x0)] = False
    return float(is_marked.mean()) > _MOST_PICTURE
