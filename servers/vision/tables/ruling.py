"""The rules that a table is drawn with: solid, dotted, double, and the edges of coloured bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.geometry import PixelBox, union
from servers.vision.ink import find_rules

_LEAST_LENGTH = 6.0  # letter heights
# No stroke of a letter is as long; rows of letters that touch are, but not as even.
_LEAST_UPRIGHT, _LEAST_LEVEL = 2.5, 10.0  # letter heights
_LEAST_UPRIGHT_PX, _LEAST_LEVEL_PX = 24, 40
_THICKEST = 0.4  # letter heights
_THICKEST_PX = 5
_LEAST_CONTRAST = 12
_EVEN = 0.6  # of its usual contrast that a rule has almost everywhere
_DOT_GAP = 1.0  # letter heights
_THICKEST_DOTTED_PX = 3
_FAINT = 10  # grey levels off the paper; dots of small print are pale
_DOUBLE_GAP = 0.8  # letter heights
_BAND_STEP = 6  # grey levels between the papers of a band and its neighbour
_MOST_DOTS = 0.85  # of the length of a dotted rule


@dataclass(frozen=True, slots=True)
class Ruling:
    """The rules of a picture."""

    horizontal: tuple[PixelBox, ...]
    vertical: tuple[PixelBox, ...]
    dotted: tuple[PixelBox, ...]
    """Those of the horizontal ones that are made of dots or dashes."""


def find_ruling(
    rgb: NDArray[np.uint8], horizontal: NDArray[np.uint8], vertical: NDArray[np.uint8], letter_height_px: float
) -> Ruling:
    """Return the rules of a picture, uint8 [h, w, 3].

    Args:
      horizontal: uint8 [h, w], 1 on long solid rules, as `rule_masks` gives them.
      vertical: likewise.
    """
    least = _LEAST_LENGTH * letter_height_px
    solid = [box for box in rule_boxes(horizontal) if box.width >= least]
    dotted = [box for box in _dotted(rgb, letter_height_px) if not any(box.overlap(rule) > 0 for rule in solid)]
    both = [*_as_one(solid, letter_height_px), *dotted]
    upright = tuple(box for box in rule_boxes(vertical) if box.height >= 2 * letter_height_px)
    return Ruling(tuple(sorted(both, key=lambda box: (box.y_min, box.x_min))), upright, tuple(dotted))


def rule_masks(rgb: NDArray[np.uint8], letter_height_px: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the pixels (1, others 0) of long thin lines, also where text touches them: (horizontal, vertical)."""
    horizontal, vertical = find_rules(rgb)
    height = letter_height_px
    level = _dark_lines(rgb, max(_LEAST_LEVEL_PX, round(_LEAST_LEVEL * height)), height)
    turned = np.ascontiguousarray(rgb.transpose(1, 0, 2))
    upright = _dark_lines(turned, max(_LEAST_UPRIGHT_PX, round(_LEAST_UPRIGHT * height)), height).T
    return np.maximum(horizontal, level), np.ascontiguousarray(np.maximum(vertical, upright))


def _dark_lines(rgb: NDArray[np.uint8], least_px: int, height: float) -> NDArray[np.uint8]:
    """Return the pixels of lines from left to right that are darker than what is above and below them."""
    grey = np.ascontiguousarray(rgb.min(axis=2))
    side = 2 * max(_THICKEST_PX, round(_THICKEST * height)) + 1
    contrast = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, np.ones((side, 1), np.uint8))
    marked = (contrast >= _LEAST_CONTRAST).astype(np.uint8)
    # Where another line crosses, both sides are as dark.
    crossing = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, np.ones((side, side), np.uint8))
    bridged = cv2.morphologyEx(marked, cv2.MORPH_CLOSE, np.ones((1, side // 2 + 2), np.uint8))
    marked |= bridged & (crossing >= _LEAST_CONTRAST).astype(np.uint8)
    contrast = cv2.max(contrast, crossing * bridged)
    run = cv2.morphologyEx(marked, cv2.MORPH_OPEN, np.ones((1, least_px), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(run, connectivity=8)
    found = np.zeros(run.shape, np.uint8)
    for index, (x, y, width, tall, _) in enumerate(stats[1:count].tolist(), start=1):
        part = labels[y : y + tall, x : x + width] == index
        strengths = (contrast[y : y + tall, x : x + width] * part).max(axis=0)
        is_even = float(np.percentile(strengths, 5)) >= _EVEN * float(np.median(strengths))
        if is_even and tall <= side // 2 + 2:
            found[y : y + tall, x : x + width][part] = 1
    return found


def rule_boxes(mask: NDArray[np.uint8]) -> list[PixelBox]:
    """Return the boxes of the rules in a mask of them."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return [
        PixelBox(float(x), float(y), float(x + width), float(y + height))
        for x, y, width, height, _ in stats[1:count].tolist()
    ]


def _dotted(rgb: NDArray[np.uint8], height: float) -> list[PixelBox]:
    """Return the rows of dots or dashes: thin, long, and with nothing above or below that they are part of."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    around = max(9, 2 * int(height) + 1) | 1
    paper = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, np.ones((around, around), np.uint8))
    marked = (cv2.subtract(paper, grey) > _FAINT).astype(np.uint8)
    gap = max(3, round(_DOT_GAP * height))
    run = cv2.morphologyEx(marked, cv2.MORPH_CLOSE, np.ones((1, gap + 1), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(run, connectivity=8)
    found = []
    for x, y, width, tall, _ in stats[1:count].tolist():
        if tall > _THICKEST_DOTTED_PX or width < max(_LEAST_LENGTH * height, 12 * tall):
            continue
        has_gaps = float(marked[y : y + tall, x : x + width].any(axis=0).mean()) <= _MOST_DOTS
        above, below = grey[max(0, y - 3), x : x + width], grey[min(len(grey) - 1, y + tall + 2), x : x + width]
        is_edge = abs(float(np.median(above)) - float(np.median(below))) > _BAND_STEP
        if has_gaps and not is_edge:
            found.append(PixelBox(float(x), float(y), float(x + width), float(y + tall)))
    return _in_line(found, 3 * height)


def _in_line(rules: Sequence[PixelBox], gap: float) -> list[PixelBox]:
    """Return the rules with pieces of one rule joined."""
    joined: list[PixelBox] = []
    for box in sorted(rules, key=lambda box: (box.x_min, box.y_min)):
        for index, other in enumerate(joined):
            if abs(other.center_y - box.center_y) <= 1.5 and -1 <= box.x_min - other.x_max <= gap:
                joined[index] = union((other, box))
                break
        else:
            joined.append(box)
    return joined


def _as_one(rules: Sequence[PixelBox], height: float) -> list[PixelBox]:
    """Return the rules with each double rule as one."""
    single: list[PixelBox] = []
    for box in sorted(rules, key=lambda box: box.y_min):
        for index, other in enumerate(single):
            near = box.y_min - other.y_max <= _DOUBLE_GAP * height
            alike = abs(box.x_min - other.x_min) <= height and abs(box.x_max - other.x_max) <= height
            if near and alike:
                single[index] = union((other, box))
                break
        else:
            single.append(box)
    return single
