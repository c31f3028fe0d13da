"""Ranges such as "18–24" whose dash recognition left out, so that they came as two numbers side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from servers.vision.geometry import PixelBox, union
from servers.vision.text import Word

_NUMBER = re.compile(r"\d{1,4}")
_MOST_GAP = 1.8  # letter heights
_INK = 25.0  # colour difference from the paper
_MIDDLE = (0.3, 0.8)  # of the letters' height, where a dash lies
_THICK, _LEAST_LONG = 0.3, 0.35  # of the letters' height
_CLEAR = 0.06  # of the letters' height from dash to digit


def with_ranges(words: Sequence[Word], lab: NDArray[np.float32], paper: NDArray[np.float32]) -> list[Word]:
    """Return the words, two numbers of one line with a dash drawn between them as one word.

    Args:
      lab: the picture, CIE L*a*b* [h, w, 3].
      paper: its colour.
    """
    out = sorted(words, key=lambda word: word.box.x_min)
    numbers = [word for word in out if _NUMBER.fullmatch(word.text)]
    gone: set[int] = set()
    joined: dict[int, Word] = {}
    for left in numbers:
        if id(left) in gone:
            continue
        right = next((word for word in numbers if word is not left and _follows(left.box, word.box)), None)
        if right is None or id(right) in gone or id(right) in joined:
            continue
        if _has_dash(left.box, right.box, lab, paper):
            box, sure = union((left.box, right.box)), min(left.confidence, right.confidence)
            joined[id(left)] = replace(left, text=f"{left.text}–{right.text}", box=box, confidence=sure)
            gone.add(id(right))
    return [joined.get(id(word), word) for word in out if id(word) not in gone]


def _follows(left: PixelBox, right: PixelBox) -> bool:
    height = max(left.height, right.height)
    on_line = abs(left.center_y - right.center_y) < 0.25 * height and abs(left.height - right.height) < 0.3 * height
    return on_line and 0 < right.x_min - left.x_max < _MOST_GAP * height


def _has_dash(left: PixelBox, right: PixelBox, lab: NDArray[np.float32], paper: NDArray[np.float32]) -> bool:
    top, bottom = round(min(left.y_min, right.y_min)), round(max(left.y_max, right.y_max))
    gap = lab[max(0, top) : bottom, round(left.x_max) : round(right.x_min)]
    if gap.shape[0] < 4 or gap.shape[1] < 3:
        return False
    ink = np.linalg.norm(gap - paper, axis=2) > _INK
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    height = gap.shape[0]
    if not len(rows):
        return False
    in_middle = _MIDDLE[0] * height <= rows[0] and rows[-1] + 1 <= _MIDDLE[1] * height
    thin = len(rows) <= max(1.0, _THICK * height)
    long = (
        columns[-1] + 1 - columns[0] >= _LEAST_LONG * height
        and float(ink[:, columns[0] : columns[-1] + 1].any(axis=0).mean()) > 0.95
    )
    clear = columns[0] >= _CLEAR * height - 1 and gap.shape[1] - columns[-1] - 1 >= _CLEAR * height - 1
    return in_middle and thin and long and clear
