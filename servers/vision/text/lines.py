"""Pieces of ink become lines of text, at whatever angle they stand."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from servers.vision.ink import Ink
from servers.vision.text.slants import SLANTED_GAP, lean_alike, lean_short_words

# All in letter heights of the taller of two neighbours.
_WORD_GAP = 0.45  # letters of a word, any direction
_LINE_GAP = 1.4  # words of a line
_SPLIT_GAP = 0.5
_LEAST_LETTER_HEIGHT_PX = 4.0
_LARGEST_HEIGHT_RATIO = 2.6  # "," is a mark; "a" beside "(" is about 1.9
_LEAST_SLANT_DEG, _LARGEST_SLANT_DEG = 18.0, 72.0
_INSIDE = 0.15
_HIGHEST_LINE = 1.8  # letter heights, from the highest to the lowest ink


@dataclass(frozen=True, slots=True)
class TextLine:
    """Pieces that seem to be one line of text."""

    pieces: NDArray[np.int32]
    """Indices into the ink's pieces, glyphs only."""
    angle_deg: float
    """Counter-clockwise turn of the reading direction: 0, 90 (shape does not tell them from 180, 270) or a slant."""
    letter_height_px: float
    """Across the line."""


def find_lines(ink: Ink) -> list[TextLine]:
    """Return the lines of text that the glyphs of an image form, in no particular order."""
    glyphs = np.flatnonzero(ink.is_glyph).astype(np.int32)
    if not len(glyphs):
        return []
    boxes = ink.boxes[glyphs].astype(np.float64)
    lines: list[TextLine] = []
    upright: list[NDArray[np.int64]] = []
    vertical: list[NDArray[np.int64]] = []
    slanted: list[tuple[NDArray[np.int64], float]] = []
    for word in _clusters(_close_pairs(boxes), len(glyphs)):
        angle = _direction(boxes[word])
        if angle == 0:
            upright.append(word)
        elif angle == 90:
            vertical.append(word)
        else:
            slanted.append((word, angle))
    _turn_short_words(upright, vertical, boxes)
    slanted = lean_alike(slanted)
    lean_short_words(upright, slanted, ink, glyphs)
    if upright:
        members = np.concatenate(upright)
        lines += [_line(glyphs, members[row], boxes, 0.0) for row in _rows(boxes[members])]
    if vertical:
        members = np.concatenate(vertical)
        turned = boxes[members][:, [1, 0, 3, 2]]
        lines += [_line(glyphs, members[row], boxes, 90.0) for row in _rows(turned)]
    lines += [_line(glyphs, members, boxes, angle) for members, angle in _join_slanted(slanted, boxes)]
    lines = [line for line in lines if line.letter_height_px >= _LEAST_LETTER_HEIGHT_PX]
    lines = _with_pieces_inside(ink, _joined_by_marks(ink, lines))
    # Points and dashes of large letters look like letters of their own, and are read with their line.
    is_mark = np.zeros(len(ink.boxes), np.bool_)
    for line in lines:
        marks = ink.marks_near(_bounds(ink, line), line.letter_height_px, round(line.angle_deg))
        if len(line.pieces) == 1 and line.angle_deg == 0:
            marks = marks[marks != line.pieces[0]]  # a lone I is as slim as a mark of itself
        is_mark[marks] = True
    return [line for line in lines if not is_mark[line.pieces].all()]


def _joined_by_marks(ink: Ink, lines: list[TextLine]) -> list[TextLine]:
    """Return the lines with those joined that one dash or sign parts: "0.310–2.268", "n = 42"."""
    upright = [line for line in lines if line.angle_deg == 0]
    owners: dict[int, list[int]] = {}
    bounds = np.array([_bounds(ink, line) for line in upright]).reshape(-1, 4)
    for index, line in enumerate(upright):
        x_min, y_min, x_max, y_max = bounds[index]
        marks = ink.marks_near((x_min, y_min, x_max, y_max), line.letter_height_px, 0)
        for mark in marks[~np.isin(marks, line.pieces)].tolist():
            middle = (ink.boxes[mark, 1] + ink.boxes[mark, 3]) / 2
            if y_min + 0.2 * (y_max - y_min) < middle < y_max:
                owners.setdefault(mark, []).append(index)
    pairs = []
    for first, second in (pair for group in owners.values() for pair in itertools.pairwise(group)):
        low, high = np.maximum(bounds[first], bounds[second]), np.minimum(bounds[first], bounds[second])
        heights = sorted((upright[first].letter_height_px, upright[second].letter_height_px))
        is_beside = low[0] >= high[2] - 1 and high[3] - low[1] >= 0.6 * heights[0] and heights[1] <= 1.4 * heights[0]
        if is_beside:
            pairs.append((first, second))
    joined = []
    for group in _clusters(np.array(pairs, np.int64).reshape(-1, 2), len(upright)):
        pieces = np.concatenate([upright[index].pieces for index in group])
        joined.append(TextLine(pieces, 0.0, max(upright[index].letter_height_px for index in group)))
    return joined + [line for line in lines if line.angle_deg != 0]


def _with_pieces_inside(ink: Ink, lines: list[TextLine]) -> list[TextLine]:
    """Return the lines with those taken in that lie inside another: in small print letters break."""
    upright = [line for line in lines if line.angle_deg == 0]
    bounds = np.array([_bounds(ink, line) for line in upright]).reshape(-1, 4)
    heights = np.array([line.letter_height_px for line in upright])
    # A curve's box may hold labels, a line of text is hardly higher than its letters.
    is_text = np.array([len(line.pieces) > 1 for line in upright], np.bool_)
    is_text &= bounds[:, 3] - bounds[:, 1] <= _HIGHEST_LINE * heights
    pairs = []
    for index, (x_min, y_min, x_max, y_max) in enumerate(bounds.tolist()):
        slack = 1 + _INSIDE * heights
        holds = is_text & (bounds[:, 0] <= x_min + slack) & (bounds[:, 1] <= y_min + slack)
        holds &= (bounds[:, 2] >= x_max - slack) & (bounds[:, 3] >= y_max - slack) & (heights > 1.3 * (y_max - y_min))
        pairs += [(index, int(holder)) for holder in np.flatnonzero(holds)[:1] if holder != index]
    taken_in = []
    for group in _clusters(np.array(pairs, np.int64).reshape(-1, 2), len(upright)):
        pieces = np.concatenate([upright[index].pieces for index in group])
        taken_in.append(TextLine(pieces, 0.0, float(heights[group].max())))
    return taken_in + [line for line in lines if line.angle_deg != 0]


def _turn_short_words(
    upright: list[NDArray[np.int64]], vertical: list[NDArray[np.int64]], boxes: NDArray[np.float64]
) -> None:
    """Move words too short to show their direction ("a", "12") to the vertical ones that they stand in line with."""
    while vertical:
        columns = np.array([_around(boxes[word]) for word in vertical])
        moved = []
        for word in upright:
            box = _around(boxes[word])
            width = box[2] - box[0]
            shared = np.minimum(columns[:, 2], box[2]) - np.maximum(columns[:, 0], box[0])
            gap = np.maximum(columns[:, 1] - box[3], box[1] - columns[:, 3])
            narrower = np.minimum(columns[:, 2] - columns[:, 0], width)
            if len(word) < 3 and bool(((shared >= 0.6 * narrower) & (gap <= width)).any()):
                moved.append(word)
        if not moved:
            return
        vertical += moved
        upright[:] = [word for word in upright if not any(word is other for other in moved)]


def _around(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _bounds(ink: Ink, line: TextLine) -> tuple[float, float, float, float]:
    boxes = ink.boxes[line.pieces]
    x_min, y_min = boxes[:, :2].min(axis=0).tolist()
    x_max, y_max = boxes[:, 2:].max(axis=0).tolist()
    return x_min, y_min, x_max, y_max


def split_at_widest_gap(ink: Ink, line: TextLine) -> list[TextLine]:
    """Return the two halves of an upright line, parted at its widest gap; the line itself where no gap is wide."""
    if line.angle_deg != 0 or len(line.pieces) < 2:
        return [line]
    order = line.pieces[np.argsort(ink.boxes[line.pieces, 0], kind="stable")]
    boxes = ink.boxes[order]
    gaps = boxes[1:, 0] - np.maximum.accumulate(boxes[:, 2])[:-1]
    widest = int(gaps.argmax())
    if gaps[widest] < _SPLIT_GAP * line.letter_height_px:
        return [line]
    halves = (order[: widest + 1], order[widest + 1 :])
    return [TextLine(half, 0.0, _upright_height(ink.boxes[half])) for half in halves]


def _upright_height(boxes: NDArray[np.int32] | NDArray[np.float64]) -> float:
    return float(np.percentile(boxes[:, 3] - boxes[:, 1], 75))


def _line(
    glyphs: NDArray[np.int32], members: NDArray[np.int64], boxes: NDArray[np.float64], angle_deg: float
) -> TextLine:
    size = boxes[members][:, 2:] - boxes[members][:, :2]
    if angle_deg in (0.0, 90.0):
        height = float(np.percentile(size[:, 1 if angle_deg == 0 else 0], 75))
    else:  # a letter's own box around it when turned: 0.7 high and 0.5 wide becomes 0.85 square at 45 degrees
        height = float(np.percentile(size.max(axis=1), 75)) * 0.85
    return TextLine(glyphs[members], angle_deg, height)


def _clusters(pairs: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
    """Return the groups that the pairs, int [n, 2], connect; singles too."""
    parent = list(range(count))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for first, second in pairs.tolist():
        parent[root(first)] = root(second)
    groups: dict[int, list[int]] = {}
    for index in range(count):
        groups.setdefault(root(index), []).append(index)
    return [np.array(group, np.int64) for group in groups.values()]


def _neighbours(boxes: NDArray[np.float64], reach: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Return for each box the later boxes in x order that begin within its reach to the right (indices into boxes)."""
    order = np.argsort(boxes[:, 0], kind="stable")
    starts = boxes[order, 0]
    found: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * len(boxes)
    ends = np.searchsorted(starts, boxes[order, 2] + reach[order], side="right")
    for rank, index in enumerate(order):
        found[index] = order[rank + 1 : ends[rank]]
    return found


def _close_pairs(boxes: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return pairs of glyphs near enough, in any direction, to be letters of one word."""
    size = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    widest = float(np.percentile(size, 95))
    pairs: list[NDArray[np.int64]] = []
    for index, others in enumerate(_neighbours(boxes, np.full(len(boxes), _WORD_GAP * widest))):
        box, near = boxes[index], boxes[others]
        across = near[:, 0] - box[2]
        along = np.maximum(near[:, 1] - box[3], box[1] - near[:, 3])
        gap = np.maximum(np.maximum(across, along), 0)
        taller = np.maximum(size[index], size[others])
        fits = (gap <= _WORD_GAP * np.minimum(size[index], size[others])) & (
            taller <= _LARGEST_HEIGHT_RATIO * np.minimum(size[index], size[others])
        )
        chosen = others[fits]
        pairs.append(np.stack([np.full(len(chosen), index, np.int64), chosen], axis=1))
    return np.concatenate(pairs) if pairs else np.empty((0, 2), np.int64)


def _direction(boxes: NDArray[np.float64]) -> float:
    """Return how a cluster of letters runs: 0, 90 or a slant in degrees counter-clockwise.

    Letters of a line stand closer together than lines do, so each letter's nearest neighbour votes.
    """
    if len(boxes) < 3:
        width, height = (boxes[:, 2:].max(axis=0) - boxes[:, :2].min(axis=0)).tolist()
        stacked = len(boxes) == 2 and height > 1.6 * width and float((boxes[:, 3] - boxes[:, 1]).max()) < 0.62 * height
        return 90.0 if stacked else 0.0
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    spread, axes = np.linalg.eigh(np.cov(centres.T))
    direction = axes[:, 1]
    slant = -math.degrees(math.atan2(direction[1], direction[0]))
    slant = (slant + 90) % 180 - 90
    letter = float(np.median((boxes[:, 2:] - boxes[:, :2]).max(axis=1)))
    is_thin = math.sqrt(max(float(spread[0]), 0.0)) < 0.33 * letter and spread[1] > 6 * max(float(spread[0]), 1e-6)
    if is_thin and _LEAST_SLANT_DEG <= abs(slant) <= _LARGEST_SLANT_DEG:
        return slant
    count = len(boxes)
    sample = np.arange(count) if count <= 400 else np.linspace(0, count - 1, 400).astype(np.int64)
    dx = np.maximum(boxes[sample, None, 0] - boxes[None, :, 2], boxes[None, :, 0] - boxes[sample, None, 2])
    dy = np.maximum(boxes[sample, None, 1] - boxes[None, :, 3], boxes[None, :, 1] - boxes[sample, None, 3])
    gap = np.maximum(np.maximum(dx, dy), 0.0) + 0.01 * np.hypot(
        centres[sample, None, 0] - centres[None, :, 0], centres[sample, None, 1] - centres[None, :, 1]
    )
    gap[np.arange(len(sample)), sample] = np.inf
    nearest = gap.argmin(axis=1)
    rows = np.arange(len(sample))
    is_vertical = dy[rows, nearest] > dx[rows, nearest]
    width, height = (boxes[:, 2:].max(axis=0) - boxes[:, :2].min(axis=0)).tolist()
    share = float(is_vertical.mean())
    if (share > 0.65 and height > 1.2 * width) or (share > 0.8 and count >= 10):
        return 90.0
    return 0.0


def _rows(boxes: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Return groups of boxes that stand side by side on one line."""
    height = boxes[:, 3] - boxes[:, 1]
    tallest = float(np.percentile(height, 95))
    pairs: list[NDArray[np.int64]] = []
    for index, others in enumerate(_neighbours(boxes, np.full(len(boxes), _LINE_GAP * tallest))):
        box, near = boxes[index], boxes[others]
        taller, lower = np.maximum(height[index], height[others]), np.minimum(height[index], height[others])
        gap = near[:, 0] - box[2]
        shared = np.minimum(box[3], near[:, 3]) - np.maximum(box[1], near[:, 1])
        fits = (
            (gap <= _LINE_GAP * taller)
            & (gap >= -0.5 * lower)  # letters lean over each other; a label in a curve's box lies deeper
            & (shared >= 0.5 * lower)
            & (taller <= _LARGEST_HEIGHT_RATIO * lower)
        )
        chosen = others[fits]
        pairs.append(np.stack([np.full(len(chosen), index, np.int64), chosen], axis=1))
    return _clusters(np.concatenate(pairs) if pairs else np.empty((0, 2), np.int64), len(boxes))


def _join_slanted(
    words: list[tuple[NDArray[np.int64], float]], boxes: NDArray[np.float64]
) -> list[tuple[NDArray[np.int64], float]]:
    """Return slanted words joined to the lines they stand on."""
    if len(words) < 2:
        return words
    pairs = []
    for first, (members, angle) in enumerate(words):
        letter = float(np.median((boxes[members][:, 2:] - boxes[members][:, :2]).max(axis=1)))
        turn = math.radians(angle)
        along = np.array([math.cos(turn), -math.sin(turn)])
        across = np.array([math.sin(turn), math.cos(turn)])
        ours = (boxes[members][:, :2] + boxes[members][:, 2:]) / 2
        for second in range(first + 1, len(words)):
            others, other_angle = words[second]
            theirs = (boxes[others][:, :2] + boxes[others][:, 2:]) / 2
            if abs(angle - other_angle) > 12 or abs(float((ours.mean(0) - theirs.mean(0)) @ across)) > 0.6 * letter:
                continue
            low, high = (ours @ along).min(), (ours @ along).max()
            gap = max(float((theirs @ along).min() - high), float(low - (theirs @ along).max()))
            if gap <= SLANTED_GAP * letter:
                pairs.append((first, second))
    joined = []
    for group in _clusters(np.array(pairs, np.int64).reshape(-1, 2), len(words)):
        members = np.concatenate([words[index][0] for index in group])
        longest = max(group.tolist(), key=lambda index: len(words[index][0]))
        joined.append((members, words[longest][1]))
    return joined
