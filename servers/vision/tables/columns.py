"""Where the columns of a table stand: between rivers of paper that run down through its lines."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from servers.vision.geometry import PixelBox
from servers.vision.tables.lines import Line, Run

# Lines that cross a river, as a share of those that it parts: a long label, a group's heading.
_CROSSED = 0.2
_LEAST_RIVER = 0.4  # letter heights
_LEAST_PARTED = 2
_HEADED = 0.6  # of the lines of the body, where the river is headed but narrow

Column = tuple[float, float]


def find_columns(
    head: Sequence[Line], body: Sequence[Line], height_px: float, gap_px: float, walls: Sequence[float]
) -> list[Column]:
    """Return (x_min, x_max) of the columns, left to right; their text may reach over these edges.

    Args:
      head: lines of headings, which may span columns.
      gap_px: from which a gap parts columns.
      walls: x of vertical rules, which part columns in any case.
    """
    lines = [*head, *body]
    x_min = min(line.words[0].x_min for line in lines)
    x_max = max(line.box.x_max for line in lines)
    size = int(x_max - x_min) + 2
    parted, crossed = _votes(body, x_min, size, gap_px)
    is_river = (parted >= min(_LEAST_PARTED, len(body))) & (crossed <= _CROSSED * parted)
    for wall in walls:
        at = round(wall - x_min)
        is_river[max(0, at - 1) : max(0, at + 2)] = True
    columns = _with_islands(_between(is_river, x_min, height_px, walls), body, gap_px)
    columns = _whole(columns, lines, gap_px, walls)
    return [part for column in columns for part in _headed(column, head, body, height_px, gap_px)]


def _votes(
    lines: Sequence[Line], origin: float, size: int, gap_px: float
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return, for each x, how many lines have a wide gap there, and how many have a word."""
    parted, crossed = np.zeros(size + 1, np.int32), np.zeros(size + 1, np.int32)
    for line in lines:
        for end, start in line.gaps():
            if start - end >= gap_px:
                parted[round(end - origin)] += 1
                parted[round(start - origin)] -= 1
        for word in line.words:
            crossed[round(word.x_min - origin)] += 1
            crossed[round(word.x_max - origin)] -= 1
    return np.cumsum(parted)[:size].astype(np.int32), np.cumsum(crossed)[:size].astype(np.int32)


def _whole(columns: Sequence[Column], lines: Sequence[Line], gap_px: float, walls: Sequence[float]) -> list[Column]:
    """Return the columns that hold words, those joined of which one mostly goes on in the other.

    The end of a long label, or the first digits of wide numbers, stand in the river of the others.
    """
    kept: list[Column] = []
    for column in columns:
        if not any(_meets(word, column) for line in lines for word in line.words):
            continue
        is_walled = bool(kept) and any(kept[-1][1] - 2 <= wall <= column[0] + 2 for wall in walls)
        if kept and not is_walled and _goes_on(kept[-1], column, lines, gap_px):
            kept[-1] = (kept[-1][0], column[1])
        else:
            kept.append(column)
    return kept


def _meets(word: PixelBox, column: Column) -> bool:
    return word.x_min < column[1] and word.x_max > column[0]


def _goes_on(left: Column, right: Column, lines: Sequence[Line], gap_px: float) -> bool:
    """Tell whether most of what one of two neighbouring columns holds is of one run with words of the other."""
    of_left = of_right = of_both = 0
    for line in lines:
        for run in line.runs(gap_px):
            in_left = any(_meets(word, left) for word in run.words)
            in_right = any(_meets(word, right) for word in run.words)
            of_left += in_left
            of_right += in_right
            of_both += in_left and in_right
    return of_both > 0 and (2 * of_both > of_left or 2 * of_both > of_right)


def _headed(column: Column, head: Sequence[Line], body: Sequence[Line], height: float, gap_px: float) -> list[Column]:
    """Return the column parted where two headings stand over a gap, if narrow, that no line of the body crosses."""
    start, end = column
    for line in head:
        over = [run.box for run in line.runs(gap_px) if start <= run.box.center_x <= end]
        for left, right in itertools.pairwise(over):
            inside = [[word for word in line.words if start <= word.center_x <= end] for line in body]
            gaps = [
                [
                    (a.x_max, b.x_min)
                    for a, b in itertools.pairwise(words)
                    if a.x_max < right.x_max and b.x_min > left.x_min
                ]
                for words in inside
            ]
            filled = [found for found, words in zip(gaps, inside, strict=True) if words]
            parted = [max(found, key=lambda gap: gap[1] - gap[0]) for found in filled if found]
            if len(parted) < max(_LEAST_PARTED, _HEADED * len(filled)):
                continue
            river = (max(gap[0] for gap in parted), min(gap[1] for gap in parted))
            if river[1] - river[0] >= _LEAST_RIVER * height:
                rest = _headed((river[1], end), head, body, height, gap_px)
                return [(start, river[0]), *rest]
    return [column]


def _between(is_river: NDArray[np.bool_], origin: float, height: float, walls: Sequence[float]) -> list[Column]:
    edges = np.flatnonzero(np.diff(np.concatenate([[True], is_river, [True]]).astype(np.int8)))
    columns: list[Column] = []
    for start, end in (edges.reshape(-1, 2) + origin).tolist():
        is_narrow = bool(columns) and start - columns[-1][1] < _LEAST_RIVER * height
        if is_narrow and not any(columns[-1][1] - 1 <= wall <= start + 1 for wall in walls):
            columns[-1] = (columns[-1][0], end)
        elif end - start > 0:
            columns.append((start, end))
    return columns


def _with_islands(columns: list[Column], lines: Sequence[Line], gap_px: float) -> list[Column]:
    """Return the columns with those that few lines fill, such as a p value per group: text alone in a river."""
    islands = [
        (run.box.x_min, run.box.x_max)
        for line in lines
        for run in line.runs(gap_px)
        if all(run.box.x_max < start or run.box.x_min > end for start, end in columns)
    ]
    merged: list[Column] = []
    for start, end in sorted(islands):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return sorted([*columns, *merged])


def edges_between(columns: Sequence[Column]) -> list[float]:
    """Return the x where each column ends and the next begins."""
    return [(left[1] + right[0]) / 2 for left, right in itertools.pairwise(columns)]


def column_at(x: float, edges: Sequence[float]) -> int:
    """Return the column that a place belongs to."""
    return sum(x >= edge for edge in edges)


def word_columns(run: Run, columns: Sequence[Column]) -> list[int]:
    """Return the column of each word of a run: where it overlaps one, else that of the word before."""
    edges = edges_between(columns)
    places: list[int] = []
    for word in run.words:
        shared = [min(end, word.x_max) - max(start, word.x_min) for start, end in columns]
        best = max(range(len(columns)), key=shared.__getitem__)
        if shared[best] > 0:
            places.append(best)
        else:
            places.append(places[-1] if places else column_at(word.center_x, edges))
    return [max(places[: index + 1]) for index in range(len(places))]


def split_run(run: Run, columns: Sequence[Column], gap_px: float) -> list[tuple[Run, int, int]]:
    """Return the run's parts with their first and last column, parted where a column begins after a gap as wide."""
    places = word_columns(run, columns)
    parts: list[list[int]] = [[0]]
    for index in range(1, len(places)):
        is_wide = run.words[index].x_min - run.words[index - 1].x_max >= gap_px
        if places[index] != places[index - 1] and is_wide:
            parts.append([index])
        else:
            parts[-1].append(index)
    return [(Run(tuple(run.words[index] for index in part)), places[part[0]], places[part[-1]]) for part in parts]
