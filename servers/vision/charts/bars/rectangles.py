"""Rectangles of one fill: what bars are made of, parted where touching bars or lines of their colour join them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np

from servers.vision.charts.picture.colors import Palette, windows_of
from servers.vision.charts.picture.page import Mask, Page
from servers.vision.geometry import PixelBox

_RECTANGULAR = 0.86  # least share of its box that a bar covers; a disc covers 0.785
_LEAST_SHORT, _LEAST_LONG = 1.5, 4  # pixels: smaller is a speck
_BRIDGED_PX = 5
_RULE, _RULE_BODY = 0.2, 0.1  # letter heights that a line is wide; share of a grey that crossings make wider
_LINE, _LINE_BODY = 0.35, 0.5
_GREY = 12.0  # chroma
_BODY_SHARE = 0.7  # of a shape's ink that its bars hold, the rest being lines of their colour


@dataclass(frozen=True, slots=True)
class Rect:
    """An upright rectangle of one colour."""

    fill: int
    """Index into the palette."""
    box: PixelBox


def find_rectangles(
    palette: Palette, text: Mask, inked: Mask, crossing: frozenset[int] = frozenset(), bridged_px: int = _BRIDGED_PX
) -> list[Rect]:
    """Return the rectangles of every fill; words on them count as covered.

    Args:
      text: where words stand, bool [h, w].
      inked: pixels over which gaps of a fill may be bridged, bool [h, w]; all false bridges nothing.
      crossing: fills of lines, which may run over bars.
      bridged_px: the widest gap, odd.
    """
    rects: list[Rect] = []
    is_crossed = np.isin(palette.labels, [-1, *crossing])
    for index, place in enumerate(windows_of(palette.labels, len(palette.fills), margin=bridged_px)):
        if place is None:
            continue
        top, left = place[0].start, place[1].start
        labels, covering = palette.labels[place], text[place]
        mask = (labels == index).astype(np.uint8)
        # Gridlines that show through or over a bar are bridged; gaps of bare paper part bars.
        closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((bridged_px, bridged_px), np.uint8))
        mask = (mask.astype(bool) | (closed.astype(bool) & inked[place] & is_crossed[place])).astype(np.uint8)
        _, component, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
        # A piece of a speck is a speck too.
        short, long = stats[:, 2:4].min(axis=1), stats[:, 2:4].max(axis=1)
        large = (stats[:, 4] >= 6) & (short >= _LEAST_SHORT) & (long >= _LEAST_LONG)
        large[0] = False
        for part in np.flatnonzero(large):
            x, y, w, h, area = (int(value) for value in stats[part])
            window = component[y : y + h, x : x + w] == part
            covered = int((window | covering[y : y + h, x : x + w]).sum())
            x, y = x + left, y + top
            if covered >= _RECTANGULAR * w * h and area >= 0.25 * w * h:
                rects.append(Rect(index, PixelBox(x, y, x + w, y + h)))
            else:
                rects += _without_rules(index, window, x, y) or _skyline(index, window, x, y)
    return rects


def rule_fills(page: Page, palette: Palette) -> frozenset[int]:
    """Return the greys that are nowhere wider than a line: of grid, axes and frames, which bars cut into pieces."""
    thin = _thin_fills(page, palette, _RULE, _RULE_BODY)
    return frozenset(index for index in thin if float(np.hypot(*palette.fills[index].lab[1:])) <= _GREY)


def line_fills(page: Page, palette: Palette) -> frozenset[int]:
    """Return the fills that are mostly lines, markers on them included, which may cross bars."""
    return _thin_fills(page, palette, _LINE, _LINE_BODY)


def _thin_fills(page: Page, palette: Palette, wide: float, body: float) -> frozenset[int]:
    """Return the fills of which no more than a share is wider than so many letter heights."""
    side = max(3, int(np.ceil(wide * page.text_height)) + 1)
    kernel = np.ones((side, side), np.uint8)
    found = []
    for index, place in enumerate(windows_of(palette.labels, len(palette.fills), margin=0)):
        if place is None:
            continue
        mask = (palette.labels[place] == index).astype(np.uint8)
        if float(cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel).sum()) < body * float(mask.sum()):
            found.append(index)
    return frozenset(found)


def _without_rules(fill: int, window: Mask, x: int, y: int) -> list[Rect]:
    """Return the bars of a shape that axes, frame or grid of the same colour join: opening cuts thin lines."""
    if min(window.shape) < 8:
        return []
    opened = cv2.morphologyEx(window.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(opened.astype(np.uint8), connectivity=4)
    boxes = [tuple(int(value) for value in row) for row in stats[1:count]]
    # Where little is left the shape was a line with markers, not bars.
    if opened.sum() < _BODY_SHARE * window.sum():
        return []
    whole = [box for box in boxes if box[4] >= _RECTANGULAR * box[2] * box[3]]
    if len(boxes) < 2 or sum(box[4] for box in whole) < _BODY_SHARE * float(window.sum()):
        return []
    return [Rect(fill, PixelBox(x + a, y + b, x + a + w, y + b + h)) for a, b, w, h, _ in whole]


def _skyline(fill: int, window: Mask, x: int, y: int) -> list[Rect]:
    """Return the bars of a histogram-like shape: touching bars of one fill on a straight baseline."""
    found: list[Rect] = []
    h, w = window.shape
    if min(h, w) < 8:
        return found
    for vertical in (True, False):
        body = window if vertical else window.T
        length, across = body.shape
        base = length - 1 if vertical else 0
        if body[base].mean() < 0.9 and body[base - 1 if vertical else 1].mean() < 0.9:
            continue
        heights = body.sum(axis=0).astype(np.int64)
        edges = [0, *(int(k) + 1 for k in np.flatnonzero(np.abs(np.diff(heights)) > 1)), across]
        plateaus = [(a, b) for a, b in itertools.pairwise(edges) if b - a >= 3]
        if len(plateaus) < 2 or sum(b - a for a, b in plateaus) < 0.85 * across or len(plateaus) > across / 4:
            continue
        for a, b in plateaus:
            tall = int(np.median(heights[a:b]))
            if vertical:
                found.append(Rect(fill, PixelBox(x + a, y + h - tall, x + b, y + h)))
            else:
                found.append(Rect(fill, PixelBox(x, y + a, x + tall, y + b)))
        break
    return found


def is_lettering(box: PixelBox, text: Mask, text_height: float) -> bool:
    """Tell whether the rectangle is a piece of a letter: no larger than letters and standing among them."""
    if max(box.width, box.height) > 1.5 * text_height:
        return False
    return float(text[int(box.y_min) : int(box.y_max), int(box.x_min) : int(box.x_max)].mean()) > 0.5


def is_sizeable(box: PixelBox, page: Page) -> bool:
    """Tell whether the box is larger than a speck and smaller than a page's background."""
    return (
        min(box.width, box.height) >= _LEAST_SHORT
        and max(box.width, box.height) >= _LEAST_LONG
        and box.area < 0.6 * page.width * page.height
    )
