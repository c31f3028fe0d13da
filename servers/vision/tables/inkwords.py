"""Words as ink: where runs of letters stand, whatever they say.

A table's structure is read from these boxes, so that a word which is recognised wrongly, or not at all, still keeps its
place in the grid.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.geometry import PixelBox
from servers.vision.ink import Ink

# In letter heights: the median height of the pieces, between a small and a capital letter.
_LETTER_GAP = 0.38  # letters of a word stand nearer, words of a line further apart
_TALLEST = 4.0
_LEAST_LETTER = 0.55
_TALL = 2.1  # letters of two lines that touch
_MARK_GAP = 0.55
_COMMA = 0.85
_LEAST_MARK = 0.3
_FLAT, _LEAST_UNDERLINE = 0.35, 2.2
_RULE_REST = 0.25
_EVEN, _WHOLE = 0.6, 0.96  # of the strongest ink; of an underline's width
_INK = 60  # grey levels off the paper
_LEAST_LETTER_PX = 4
_MOST_PIECES = 20_000

_Boxes = NDArray[np.float64]


def letter_height(ink: Ink, area: PixelBox) -> float:
    """Return the median height in pixels of the letters inside an area, 0 where there are none."""
    boxes = _inside(ink.boxes[ink.is_glyph].astype(np.float64), area)
    heights = boxes[:, 3] - boxes[:, 1]
    heights = heights[heights >= _LEAST_LETTER_PX]
    return float(np.median(heights)) if len(heights) else 0.0


def find_ink_words(ink: Ink, area: PixelBox, height_px: float, without: Sequence[PixelBox]) -> list[PixelBox]:
    """Return the boxes of the words inside an area, in no particular order.

    Args:
      height_px: of the area's letters.
      without: what is no text though its ink is small: dotted rules, charts.
    Ink much larger than the letters is left out.
    """
    pieces = _inside(ink.boxes[1:].astype(np.float64), area)[:_MOST_PIECES]
    middle = (pieces[:, :2] + pieces[:, 2:]) / 2
    size = pieces[:, 2:] - pieces[:, :2]
    is_underline = (size[:, 1] <= _FLAT * height_px) & (size[:, 0] >= _LEAST_UNDERLINE * height_px)
    is_text = (size[:, 1] <= _TALLEST * height_px) & ~is_underline
    near = max(1.5, _RULE_REST * height_px)  # the edge of a heavy rule is left over beside it
    for box in without:
        x_min, y_min, x_max, y_max = box.grown(near, near)
        is_text &= ~(
            (middle[:, 0] >= x_min) & (middle[:, 0] <= x_max) & (middle[:, 1] >= y_min) & (middle[:, 1] <= y_max)
        )
    pieces = _cut_tall(_without_underlines(pieces[is_text], ink, height_px), ink, height_px)
    size = pieces[:, 2:] - pieces[:, :2]
    is_letter = size[:, 1] >= _LEAST_LETTER * height_px
    is_dash = ~is_letter & (size[:, 0] >= np.maximum(_LEAST_MARK * height_px, 1.2 * size[:, 1]))
    words = _joined(pieces[is_letter | is_dash], height_px)
    words = _with_dots(words, pieces[~is_letter & ~is_dash], height_px)
    words = _with_commas(_joined(words, height_px), height_px)
    return [PixelBox(*box) for box in words.tolist()]


def _inside(boxes: _Boxes, area: PixelBox) -> _Boxes:
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    return boxes[(x >= area.x_min) & (x < area.x_max) & (y >= area.y_min) & (y < area.y_max)]


def _without_underlines(pieces: _Boxes, ink: Ink, height: float) -> _Boxes:
    """Return the pieces without the rows of even ink along wide ones: a line under a sum that a comma touches."""
    kept: list[list[float]] = []
    for piece in pieces.tolist():
        x0, y0, x1, y1 = (int(edge) for edge in piece)
        if x1 - x0 < _LEAST_UNDERLINE * height:
            kept.append(piece)
            continue
        strength = ink.strength[y0:y1, x0:x1]
        is_line = (strength >= _EVEN * strength.max()).mean(axis=1) >= _WHOLE
        if not is_line.any() or is_line.sum() > _FLAT * height:
            kept.append(piece)
            continue
        at = int(np.flatnonzero(is_line)[0]), int(np.flatnonzero(is_line)[-1]) + 1
        for top, bottom in ((0, at[0] - 1), (at[1] + 1, y1 - y0)):
            if bottom - top >= _LEAST_LETTER * height:
                rest = (strength[top:bottom] > _INK).astype(np.uint8)
                count, _, stats, _ = cv2.connectedComponentsWithStats(rest, connectivity=8)
                kept += [
                    [x0 + x, y0 + top + y, x0 + x + wide, y0 + top + y + tall]
                    for x, y, wide, tall, _ in stats[1:count].tolist()
                ]
    return np.array(kept, np.float64).reshape(-1, 4)


def _cut_tall(pieces: _Boxes, ink: Ink, height: float) -> _Boxes:
    """Return the pieces with those that reach over two lines or more cut where their ink is thinnest."""
    cut: list[list[float]] = []
    for piece in pieces.tolist():
        tall = piece[3] - piece[1]
        if tall <= _TALL * height or piece[2] - piece[0] < 0.5 * height:
            cut.append(piece)
            continue
        x0, y0, x1, y1 = (int(edge) for edge in piece)
        rows = ink.strength[y0:y1, x0:x1].sum(axis=1).astype(np.float64)
        parts = max(2, round(tall / (1.7 * height)))
        edges = [0]
        for part in range(1, parts):
            middle, reach = part * tall / parts, 0.25 * tall / parts
            start = int(middle - reach)
            edges.append(start + int(rows[start : int(middle + reach) + 1].argmin()))
        edges.append(y1 - y0)
        cut += [[x0, y0 + top, x1, y0 + bottom] for top, bottom in itertools.pairwise(edges)]
    return np.array(cut, np.float64).reshape(-1, 4)


def _joined(boxes: _Boxes, height: float) -> _Boxes:
    """Return the boxes around runs of boxes that stand side by side, nearer than words of a line."""
    if not len(boxes):
        return boxes
    origin = boxes[:, :2].min(axis=0) - height
    # Drawn at twice the size, as gaps in small print are single pixels.
    scale = 2.0 if height < 12 else 1.0
    canvas = np.zeros(np.ceil((boxes[:, 3:1:-1].max(axis=0) - origin[::-1] + height) * scale).astype(int), np.uint8)
    # Only the middle of a letter reaches out, or lines that touch would be one.
    band = 0.25 * np.maximum(boxes[:, 3] - boxes[:, 1] - 2, 0)
    reach = 0.5 * _LETTER_GAP * height
    drawn = np.stack([boxes[:, 0] - reach, boxes[:, 1] + band, boxes[:, 2] + reach, boxes[:, 3] - band], axis=1)
    corners = np.round((drawn - np.tile(origin, 2)) * scale).astype(int)
    for x0, y0, x1, y1 in corners.tolist():
        canvas[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)] = 1
    count, labels = cv2.connectedComponents(canvas, connectivity=4)
    middle = (corners[:, :2] + corners[:, 2:]) // 2
    owner = labels[np.minimum(middle[:, 1], canvas.shape[0] - 1), middle[:, 0]]
    joined = np.tile([np.inf, np.inf, -np.inf, -np.inf], (count, 1))
    for edge, outermost in enumerate((np.minimum, np.minimum, np.maximum, np.maximum)):
        outermost.at(joined[:, edge], owner, boxes[:, edge])
    return np.asarray(joined[np.isfinite(joined[:, 0])])


def _with_commas(words: _Boxes, height: float) -> _Boxes:
    """Return the words with those joined that a large comma stands between: too low to touch the middle of a letter."""
    size = words[:, 2:] - words[:, :2]
    is_comma = (size[:, 1] < _COMMA * height) & (size[:, 0] < 0.5 * height)
    for comma in words[is_comma].tolist():
        middle = (comma[1] + comma[3]) / 2
        is_beside = (words[:, 0] <= comma[2] + _MARK_GAP * height) & (words[:, 2] >= comma[0] - _MARK_GAP * height)
        is_above = (words[:, 1] < comma[1] - 0.4 * size[:, 1]) & (np.abs(words[:, 3] - middle) < 0.5 * height)
        parts = is_beside & is_above & (size[:, 1] >= _LEAST_LETTER * height)
        if parts.any():
            parts |= (words == comma).all(axis=1)
            joined = np.concatenate([words[parts, :2].min(axis=0), words[parts, 2:].max(axis=0)])
            words = np.concatenate([words[~parts], joined[None]])
            size = words[:, 2:] - words[:, :2]
    return words


def _with_dots(words: _Boxes, dots: _Boxes, height: float) -> _Boxes:
    """Return the words grown over the points, commas and accents beside them; dots far from any word are noise."""
    grown = words.copy()
    for x0, y0, x1, y1 in dots.tolist():
        if not len(words):
            break
        aside = np.maximum(np.maximum(words[:, 0] - x1, x0 - words[:, 2]), 0)
        off = np.maximum(np.maximum(words[:, 1] - y1 - 0.5 * height, y0 - words[:, 3] - 0.35 * height), 0)
        distance = np.where(off > 0, np.inf, aside)
        nearest = int(distance.argmin())
        if distance[nearest] <= _MARK_GAP * height:
            grown[nearest, :2] = np.minimum(grown[nearest, :2], (x0, y0))
            grown[nearest, 2:] = np.maximum(grown[nearest, 2:], (x1, y1))
    return grown
