"""What shows that a region holds a chart before any mark is read: a scale beside a drawing, a pie, a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.axes.ticks import ValueAxis, find_value_axes
from servers.vision.charts.picture.colors import FROM_PAPER, distance_from
from servers.vision.charts.picture.page import Mask, Page, TextRun, quantity
from servers.vision.geometry import PixelBox, union

# In letter heights. A legend's key is at most 2 high and 5.5 wide; a colour bar is about 2 wide.
_LARGE = 2.4
_KEY_WIDTH = 6.0
_LEAST_PLOT = 5.0
_GRID_LINE = 0.3
_BESIDE = 0.35  # of the drawing's extent: how far inside it tick labels may stand, as on a card
_COVERED = 0.5  # of the ticks' span that the drawing fills
_DISC_SHARE = (0.74, 0.83)  # of its box that a disc covers: pi / 4 = 0.785
_SIDE_SHARE = 0.9  # of a frame's side, or of a plot's width along a grid line, that is drawn
_GRID_RULES = 3
_LIGHT, _LEAST_LIGHT = 30.0, 0.3  # colour difference of a light panel from the paper, its share of a plot


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn in a region: everything but paper and words."""

    ink: Mask
    """[h, w]: pixels that are neither paper nor words."""
    pieces: tuple[PixelBox, ...]
    """Boxes of the connected pieces that are larger than letters and legend keys."""

    @property
    def box(self) -> PixelBox:
        """Around the pieces.

        Raises:
          ValueError: there are none.
        """
        return union(self.pieces)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a chart in a region."""

    y_axis: ValueAxis | None
    x_axis: ValueAxis | None
    discs: tuple[PixelBox, ...]
    frames: tuple[PixelBox, ...]
    """Plots closed on the left and below, with or without numbers on them."""

    @property
    def has_scale(self) -> bool:
        """An axis measures, or a pie's slices are its whole."""
        return self.y_axis is not None or self.x_axis is not None or bool(self.discs)


def drawing_of(page: Page) -> Drawing:
    """Return what is drawn on the page."""
    ink = distance_from(page, (page.background,)) >= FROM_PAPER
    ink &= ~page.text_mask()
    # A light grid on a panel parts it into cells; plots stand further apart than a grid line is wide.
    side = max(3, 2 * round(_GRID_LINE * page.text_height / 2) + 1)
    joined = cv2.morphologyEx(ink.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(joined.astype(np.uint8), connectivity=8)
    x, y, w, h = (stats[1:count, column] for column in range(4))
    height = page.text_height
    large = (h > _LARGE * height) | (w > _KEY_WIDTH * height)
    # A border around everything parts nothing.
    enclosing = (w > 0.97 * page.width) & (h > 0.97 * page.height)
    pieces = tuple(
        PixelBox(float(a), float(b), float(a + c), float(b + d))
        for a, b, c, d in np.stack([x, y, w, h], axis=1)[large & ~enclosing].tolist()
    )
    return Drawing(ink, pieces)


def find_evidence(page: Page, drawing: Drawing) -> Evidence:
    """Return what speaks for a chart on the page; nothing where too little is drawn."""
    if not drawing.pieces:
        return Evidence(None, None, (), ())
    axes = find_value_axes(page) if sum(quantity(run.text) is not None for run in page.runs) >= 2 else []
    ys = [axis for axis in axes if axis.direction == "y" and _measures_up(page, drawing, axis)]
    xs = [axis for axis in axes if axis.direction == "x" and _measures_right(page, drawing, axis)]
    return Evidence(
        max(ys, key=lambda axis: len(axis.ticks), default=None),
        max(xs, key=lambda axis: len(axis.ticks), default=None),
        find_discs(page, drawing),
        find_frames(page, drawing),
    )


def _measures_up(page: Page, drawing: Drawing, axis: ValueAxis) -> bool:
    """Tell whether numbers that grow upwards stand at the side of something drawn as high as they reach."""
    if len(axis.ticks) < 3 or axis.fit.slope >= 0 or axis.is_years or axis.dates is not None:
        return False
    top, bottom = axis.ticks[0].position, axis.ticks[-1].position
    level = [piece for piece in drawing.pieces if piece.y_max > top and piece.y_min < bottom]
    least = _LEAST_PLOT * page.text_height
    right = [piece for piece in level if piece.x_max > axis.box.x_max + least]
    left = [piece for piece in level if piece.x_min < axis.box.x_min - least]
    return any(
        min(bottom, union(side).y_max) - max(top, union(side).y_min) > _COVERED * (bottom - top)
        and _is_at_side(axis.box.center_x, union(side).x_min, union(side).x_max)
        for side in (right, left)
        if side
    )


def _measures_right(page: Page, drawing: Drawing, axis: ValueAxis) -> bool:
    """Tell whether numbers that grow to the right stand under or over something drawn as far as they reach."""
    if len(axis.ticks) < 3 or axis.fit.slope <= 0:
        return False
    begin, end = axis.ticks[0].position, axis.ticks[-1].position
    level = [piece for piece in drawing.pieces if piece.x_max > begin and piece.x_min < end]
    least = _LEAST_PLOT * page.text_height
    above = [piece for piece in level if piece.y_min < axis.box.y_min - least]
    below = [piece for piece in level if piece.y_max > axis.box.y_max + least]
    return any(
        min(end, union(side).x_max) - max(begin, union(side).x_min) > _COVERED * (end - begin)
        and _is_at_side(axis.box.center_y, union(side).y_min, union(side).y_max)
        for side in (above, below)
        if side
    )


def _is_at_side(place: float, low: float, high: float) -> bool:
    return place < low + _BESIDE * (high - low) or place > high - _BESIDE * (high - low)


def find_discs(page: Page, drawing: Drawing) -> tuple[PixelBox, ...]:
    """Return the discs and rings of at least two colours."""
    least = 5.0 * page.text_height
    if not any(min(piece.width, piece.height) > 0.45 * least for piece in drawing.pieces):
        return ()
    body = cv2.morphologyEx(drawing.ink.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    body = cv2.morphologyEx(body, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)).astype(np.uint8)
    contours, _ = cv2.findContours(body, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    found = []
    for contour in contours:
        x, y, w, h = cv2.boundingRect(contour)
        if min(w, h) < least or not 0.9 < w / h < 1.11:
            continue
        share = cv2.contourArea(cv2.convexHull(contour)) / (w * h)
        if _DISC_SHARE[0] < share < _DISC_SHARE[1] and _color_count(page, x, y, w, h) >= 2:
            found.append(PixelBox(float(x), float(y), float(x + w), float(y + h)))
    return tuple(found)


def _color_count(page: Page, x: int, y: int, w: int, h: int) -> int:
    """Return how many colours fill 3 % of the box and more, the paper left out."""
    keys = page.keys[y : y + h, x : x + w]
    colors, counts = np.unique(keys, return_counts=True)
    paper = page.lab[y : y + h, x : x + w]
    is_paper = float((np.linalg.norm(paper - page.background, axis=2) < FROM_PAPER).mean())
    frequent = int((counts > 0.03 * keys.size).sum())
    return frequent - int(is_paper > 0.03) if len(colors) else 0


def find_frames(page: Page, drawing: Drawing) -> tuple[PixelBox, ...]:
    """Return the pieces with room inside that are drawn along all of their left side and foot, or carry a grid."""
    least = _LEAST_PLOT * page.text_height
    away = None
    found = []
    for piece in drawing.pieces:
        if piece.width < least or piece.height < least:
            continue
        x0, y0, x1, y1 = (round(edge) for edge in piece)
        window = drawing.ink[y0:y1, x0:x1]
        reach = max(8, round(page.text_height))
        rows = window.mean(axis=1) > _SIDE_SHARE
        # A label that recognition missed may hang on the foot.
        has_axes = window[:, :reach].mean(axis=0).max() > _SIDE_SHARE and bool(rows[-3 * reach :].any())
        if not has_axes and _run_count(rows) < _GRID_RULES:
            continue
        if away is None:
            away = np.linalg.norm(page.lab - page.background, axis=2)
        # A bar is one strong fill; a plot has paper or a light panel in it.
        if float((away[y0:y1, x0:x1] < _LIGHT).mean()) > _LEAST_LIGHT:
            found.append(piece)
    return tuple(found)


def _run_count(rows: NDArray[np.bool_]) -> int:
    return int(rows[:1].sum()) + int((rows[1:] & ~rows[:-1]).sum())


def is_spread(runs: Sequence[TextRun], box: PixelBox) -> bool:
    """Tell whether a line of words is a row of labels: several pieces that reach across most of the box."""
    if len(runs) < 2:
        return False
    reach = max(run.box.center_x for run in runs) - min(run.box.center_x for run in runs)
    return reach > 0.5 * box.width
