"""Ink: what stands out from its local background, whichever of the two is darker.

Text on a chart is dark on white, white on a bar and coloured beside a line. Taking the distance from the nearest flat
area's colour makes all of them the same: strong on weak. Fills, long rules and curves are then told from letters by
shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# A pixel is flat where its 3x3 neighbourhood varies by no more than this (JPEG noise on plain paper stays below).
_FLAT_RANGE = 14
# A flat area is background where a square of this side fits in: more than any stroke, less than a bar with a label.
_BACKGROUND_SIDE_PX = 11
# Below this share of flat pixels (a photo, a noisy scan) the background is a wide median instead.
_LEAST_FLAT_SHARE = 0.2
_LEAST_STRENGTH = 28
# Ink is above this share of the strongest ink nearby, so that soft edges don't join letters.
_RELATIVE_STRENGTH = 0.4
_RULE_LENGTH_PX = 40
_CROSSING = 1.3  # times a rule's own contrast is letters on it
# Squares and discs of 6 px cover 0.88 of their convex hull and more, bold letters at most 0.86.
_LEAST_CONVEXITY = 0.87
_LEAST_GLYPH_PX = 4
_AS_A_RULE = (
    0.7  # of a piece's contrast at least has the axis that it is a tick of; letters on a faint grid are stronger
)
_DASHES_OF_A_RULE = 6
_LARGEST_GLYPH_PX = 160


@dataclass(frozen=True, slots=True)
class Ink:
    """The ink of an image and its connected pieces."""

    strength: NDArray[np.uint8]
    """[h, w]: distance from the background, 0 is background."""
    labels: NDArray[np.int32]
    """[h, w]: the piece that each pixel belongs to, 0 for none. Long rules are left out."""
    rules: NDArray[np.uint8]
    """[h, w]: 1 on long rules."""
    boxes: NDArray[np.int32]
    """[n, 4]: x_min, y_min, x_max, y_max of piece i at row i; row 0 is unused."""
    is_glyph: NDArray[np.bool_]
    """[n]: the piece may be a letter, a digit or several that touch."""
    may_be_mark: NDArray[np.bool_]
    """[n]: the piece may be a point, comma, accent or dash of larger letters nearby."""

    def marks_near(
        self, box: tuple[float, float, float, float], letter_height_px: float, angle_deg: int
    ) -> NDArray[np.int32]:
        """Return the pieces at a line's box (x_min, y_min, x_max, y_max) that are small beside its letters.

        Args:
          angle_deg: how far the line is turned counter-clockwise.
        """
        size = self.boxes[:, 2:] - self.boxes[:, :2]
        short, long = size.min(axis=1), size.max(axis=1)
        is_small = (long <= 0.45 * letter_height_px) | ((short <= 0.25 * letter_height_px) & (long <= letter_height_px))
        side = max(2.0, 0.8 * letter_height_px)  # a fixed-width font leaves a wide gap before a colon
        # The dot over a line of x-height letters belongs to it, the dots of the line below don't.
        above, below = max(2.0, 0.3 * letter_height_px), max(1.0, 0.1 * letter_height_px)
        left, top, right, bottom = {
            0: (side, above, side, below),
            90: (above, side, below, side),
            180: (side, below, side, above),
            270: (below, side, above, side),
        }.get(angle_deg, (above, above, above, above))
        x_min, y_min, x_max, y_max = box
        is_near = (
            (self.boxes[:, 0] < x_max + right)
            & (self.boxes[:, 2] > x_min - left)
            & (self.boxes[:, 1] < y_max + bottom)
            & (self.boxes[:, 3] > y_min - top)
        )
        return np.flatnonzero(self.may_be_mark & is_small & is_near).astype(np.int32)


def find_ink(rgb: NDArray[np.uint8]) -> Ink:
    """Return the ink of an image, uint8 [h, w, 3]."""
    strength, contrast, edges = _strength(rgb)
    nearby = cv2.dilate(strength, np.ones((9, 9), np.uint8))
    threshold = np.maximum(_LEAST_STRENGTH, (nearby * _RELATIVE_STRENGTH).astype(np.uint8))
    solid = (strength > threshold).astype(np.uint8)
    level, upright = _rules((contrast > _LEAST_STRENGTH).astype(np.uint8), contrast)
    rules = np.maximum(level, upright)
    solid[rules > 0] = 0
    count, labels, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    x, y, width, height, area = (stats[:, column].astype(np.int32) for column in range(5))
    boxes = np.stack([x, y, x + width, y + height], axis=1)
    short, long = np.minimum(width, height), np.maximum(width, height)
    fill = area / np.maximum(width * height, 1)
    square = np.ones((3, 3), np.uint8)
    strongest = np.maximum(ndimage.maximum(strength, labels, np.arange(count)), 1).astype(np.float32)
    is_even = strength >= 0.92 * strongest[labels]  # a small letter whose holes have closed is uneven
    core = np.bincount(labels[(cv2.erode(solid, square) > 0) & is_even], minlength=count) / np.maximum(area, 1)
    # Legend swatches, markers and small bars: compact, without holes, and thicker than strokes.
    is_blob = (short >= 6) & (long <= 2.5 * short) & (fill >= 0.74) & (core >= 0.4)
    for piece in np.flatnonzero(is_blob[1:]) + 1:  # a heavy n is as full as a disc, but not as convex
        left, top, right, bottom = boxes[piece]
        is_blob[piece] = _convexity(labels[top:bottom, left:right] == piece) >= _LEAST_CONVEXITY
    # A short stroke at a rule is the tick of an axis, not the minus sign of its label.
    touches_rule, adjoins_rule = (
        np.bincount(labels[(near > 0) & (near >= _AS_A_RULE * strongest[labels])], minlength=count) > 0
        for near in (cv2.dilate(rules * contrast, np.ones((side, side), np.uint8)) for side in (7, 3))
    )
    # A tick may go on where a faint grid line ends.
    for rule, shape, is_along in ((level, (1, 7), width > height), (upright, (7, 1), height > width)):
        near = cv2.dilate(rule, np.ones(shape, np.uint8)) > 0
        touches_rule |= is_along & (np.bincount(labels[near], minlength=count) > 0)
    is_dash = (height <= 3) & (width > height) & (fill >= 0.8) & _repeats(y, height, width)
    # What is left of a gridline between two bars: flat, in the row of a rule, at the edge of a fill.
    has_rule = np.asarray(rules.max(axis=1) > 0)
    at_edge = np.bincount(labels[cv2.dilate(edges.astype(np.uint8), square) > 0], minlength=count) > 0
    is_flat = (height <= 3) & (width >= 3 * height) & (fill >= 0.8)
    is_rest = is_flat & at_edge & has_rule[np.minimum(y, len(rules) - 1)]
    is_end = (area <= 3) & adjoins_rule
    is_tick = is_end | (touches_rule & (short <= 3) & (long <= 12) & (long >= 2 * short))  # a point is square
    is_glyph = (
        (long >= _LEAST_GLYPH_PX)
        & (long <= _LARGEST_GLYPH_PX)
        & (width <= 12 * height)
        & (height <= 14 * width)
        & ~is_rest
        & ((fill >= 0.12) | ((short <= 12) & (fill >= 0.08)))
        & ~((fill < 0.22) & (long > 30) & (width > 1.6 * height))  # a stretch of a curve
        & ~is_blob
        & ~is_tick
        & ~is_dash
    )
    may_be_mark = (long <= _LARGEST_GLYPH_PX) & ~is_tick & ~is_dash & ~is_rest
    is_glyph[0] = may_be_mark[0] = False
    return Ink(strength, labels.astype(np.int32), rules, boxes[:count], is_glyph, may_be_mark)


def _convexity(shape: NDArray[np.bool_]) -> float:
    """Return the share of its convex hull that a shape, [h, w], covers."""
    rows = np.flatnonzero(shape.any(axis=1))
    first = shape[rows].argmax(axis=1)
    last = shape.shape[1] - shape[rows, ::-1].argmax(axis=1)
    corners = [(x, y + side) for x, y in zip(np.r_[first, last], np.r_[rows, rows], strict=True) for side in (0, 1)]
    hull = cv2.convexHull(np.array(corners, np.float32))
    return float(shape.sum()) / float(cv2.contourArea(hull))


def _repeats(y: NDArray[np.int32], height: NDArray[np.int32], width: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Tell which pieces share their row and size with enough others to be a dashed horizontal rule.

    Vertical ones need no care: their dashes are too narrow for letters turned by 90 degrees.
    """
    key = np.stack([y, height, (width + 1) // 3], axis=1)
    _, index, counts = np.unique(key, axis=0, return_inverse=True, return_counts=True)
    return np.asarray(counts[index.ravel()] >= _DASHES_OF_A_RULE, np.bool_)


def _strength(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]:
    """Return (ink, contrast, edges), each [h, w].

    Contrast is the distance from the background; ink is that without the edges of fills, whose places are the third.
    """
    square = np.ones((3, 3), np.uint8)
    spread = cv2.subtract(cv2.dilate(rgb, square), cv2.erode(rgb, square)).max(axis=2)
    flat = (spread <= _FLAT_RANGE).astype(np.uint8)
    side = _BACKGROUND_SIDE_PX
    wide = cv2.morphologyEx(flat, cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    # The narrow parts of a wide area are background too, such as the gap between an axis and its labels.
    count, areas = cv2.connectedComponents(flat, connectivity=4)
    is_wide = np.bincount(areas[wide > 0], minlength=count) > 0
    is_wide[0] = False
    background = is_wide[areas].astype(np.uint8)
    if background.mean() >= _LEAST_FLAT_SHARE:
        _, nearest = cv2.distanceTransformWithLabels(
            1 - background, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
        )
        colours = np.zeros((int(nearest.max()) + 1, 3), np.uint8)
        is_background = background > 0
        colours[nearest[is_background]] = rgb[is_background]
        paper = colours[nearest]
    else:
        small = cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        paper = cv2.resize(cv2.medianBlur(small, 31), (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_LINEAR)
    paper = paper.astype(np.uint8)
    contrast = np.asarray(cv2.absdiff(rgb, paper).max(axis=2), np.uint8)
    # A pixel on the edge between two fills is a blend of their colours, not ink.
    around = np.ones((5, 5), np.uint8)
    lightest, darkest = cv2.dilate(paper, around), cv2.erode(paper, around)
    is_edge = (lightest != darkest).any(axis=2)
    start = darkest[is_edge].astype(np.float32)
    way = lightest[is_edge].astype(np.float32) - start
    offset = rgb[is_edge].astype(np.float32) - start
    share = np.clip((offset * way).sum(axis=1) / np.square(way).sum(axis=1), 0, 1)
    off_blend = np.abs(offset - share[:, None] * way).max(axis=1)
    strength = contrast.copy()
    strength[is_edge] = np.minimum(contrast[is_edge], off_blend.astype(np.uint8))
    return strength, contrast, np.asarray(is_edge, np.bool_)


def find_rules(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the pixels (1, others 0) of the long thin straight lines of an image: (horizontal, vertical)."""
    _, contrast, _ = _strength(rgb)
    solid = (contrast > _LEAST_STRENGTH).astype(np.uint8)
    return _horizontal_rules(solid), np.ascontiguousarray(_horizontal_rules(np.ascontiguousarray(solid.T)).T)


def _rules(solid: NDArray[np.uint8], contrast: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the pixels of level and upright axes, gridlines and table rules without stronger ink that crosses them."""
    found = []
    for line in (_horizontal_rules(solid), np.ascontiguousarray(_horizontal_rules(np.ascontiguousarray(solid.T)).T)):
        count, labels = cv2.connectedComponents(line, connectivity=8)
        usual = np.asarray(ndimage.median(contrast, labels, np.arange(count)), np.float64)
        found.append(((line > 0) & (contrast <= _CROSSING * usual[labels] + _LEAST_STRENGTH)).astype(np.uint8))
    return found[0], found[1]


def _horizontal_rules(solid: NDArray[np.uint8]) -> NDArray[np.uint8]:
    line = cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((1, _RULE_LENGTH_PX), np.uint8))
    thick = cv2.morphologyEx(line, cv2.MORPH_OPEN, np.ones((7, 1), np.uint8))
    line = cv2.subtract(line, thick).astype(np.uint8)  # 7 px and more is a bar or a heavy letter, not a rule
    count, labels = cv2.connectedComponents(line, connectivity=8)
    # The strokes of bold letters that touch make long runs too, with more ink right above or below.
    other = cv2.subtract(solid, line)
    beside = np.zeros(other.shape, np.bool_)
    beside[4:] |= other[:-4] > 0
    beside[:-4] |= other[4:] > 0
    size = np.bincount(labels.ravel(), minlength=count)
    crowded = np.bincount(labels[beside], minlength=count) > 0.4 * size
    crowded[0] = True
    return np.asarray(~crowded[labels], np.uint8)
