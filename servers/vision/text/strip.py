"""One line of text cut out alone: upright, dark on white, at the height that reads best."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.geometry import PixelBox
from servers.vision.ink import Ink
from servers.vision.text.lines import TextLine
from servers.vision.text.recogniser import STRIP_HEIGHT_PX

_MARGIN_PX = 8
_TEXT_HEIGHT_PX = 32
"""From the highest to the lowest ink: 28 to 34 of 48 read best, less reads faster and misses fewer spaces."""
_LARGEST_WIDTH_PX = 3000
_LARGEST_SCALE = 8.0
_OFF_LINE = 0.7  # letter heights


@dataclass(frozen=True, slots=True)
class Strip:
    """The picture of a line, and the way back."""

    grey: NDArray[np.uint8]
    """[48, w]: 255 is paper, 0 the line's strongest ink."""
    to_strip: NDArray[np.float64]
    """[2, 3]: affine, image pixels to strip pixels."""
    text_height_px: float
    """Of the strip, from its highest to its lowest ink."""

    def to_image(self, box: PixelBox) -> PixelBox:
        """Return the image's box around a box of the strip."""
        corners = np.array([(x, y) for x in box[::2] for y in box[1::2]])
        turn, shift = self.to_strip[:, :2], self.to_strip[:, 2]
        points = np.linalg.solve(turn, (corners - shift).T).T
        x_min, y_min = points.min(axis=0).tolist()
        x_max, y_max = points.max(axis=0).tolist()
        return PixelBox(round(x_min, 2), round(y_min, 2), round(x_max, 2), round(y_max, 2))


def cut_strip(ink: Ink, line: TextLine, angle_deg: int, zoom: float = 1.0) -> Strip:
    """Return the line alone: neighbouring lines, rules and fills are left out, points and accents kept.

    Args:
      angle_deg: how far the text is turned counter-clockwise.
      zoom: relative to the height that usually reads best.
    """
    height = line.letter_height_px
    letters = ink.boxes[line.pieces]
    marks = ink.marks_near(
        (*letters[:, :2].min(axis=0).tolist(), *letters[:, 2:].max(axis=0).tolist()), height, angle_deg
    )
    if angle_deg % 90:  # the box around slanted letters holds parts of the labels beside it
        marks = marks[_stand_in_line(ink.boxes[marks], letters, angle_deg, _OFF_LINE * height)]
    boxes = np.concatenate([letters, ink.boxes[marks]])
    x0, y0 = np.maximum(boxes[:, :2].min(axis=0) - 2, 0).tolist()
    x1, y1 = np.minimum(boxes[:, 2:].max(axis=0) + 2, ink.strength.shape[::-1]).tolist()
    wanted = np.zeros(len(ink.boxes), np.bool_)
    wanted[line.pieces] = wanted[marks] = True
    labels = ink.labels[y0:y1, x0:x1]
    ours = wanted[labels]
    others = ((labels > 0) & ~ours) | (ink.rules[y0:y1, x0:x1] > 0)
    # Faint ink that no piece holds stays: in small print that is where the points are.
    is_kept = ours | (cv2.dilate(others.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    strength = np.where(is_kept, ink.strength[y0:y1, x0:x1], 0).astype(np.uint8)
    row, column = np.nonzero(ours)
    outline = np.concatenate([np.stack([column + x0 + end, row + y0 + end], axis=1) for end in (0, 1)])
    strongest = float(np.percentile(strength[ours], 99.5))
    return warp_strip(strength, (x0, y0), outline, strongest, angle_deg=angle_deg, zoom=zoom)


def _stand_in_line(
    marks: NDArray[np.int32], letters: NDArray[np.int32], angle_deg: int, reach_px: float
) -> NDArray[np.bool_]:
    """Tell which marks are no further across the line than its letters' middles, and the reach."""
    turn = math.radians(angle_deg)
    across = np.array([math.sin(turn), math.cos(turn)])
    middles = (letters[:, :2] + letters[:, 2:]) / 2 @ across
    places = (marks[:, :2] + marks[:, 2:]) / 2 @ across
    return np.asarray((places >= middles.min() - reach_px) & (places <= middles.max() + reach_px), np.bool_)


def warp_strip(
    strength: NDArray[np.uint8],
    origin: tuple[int, int],
    outline: NDArray[np.int64],
    strongest: float,
    *,
    angle_deg: int = 0,
    zoom: float = 1.0,
) -> Strip:
    """Return the strip of a patch of ink strengths.

    Args:
      strength: uint8 [h, w], of the patch.
      origin: the patch's x and y in the image.
      outline: [n, 2], points x, y of the image that the text lies within.
      strongest: the strength that becomes black.
      angle_deg: how far the text is turned counter-clockwise.
      zoom: relative to the height that usually reads best.
    """
    turn = math.radians(angle_deg)
    # On a page whose y runs down, this turns clockwise: back from the text's counter-clockwise angle.
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    corners = outline @ rotation.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    width, height = np.maximum(high - low, 1.0).tolist()
    scale = min(zoom * _TEXT_HEIGHT_PX / height, _LARGEST_SCALE, _LARGEST_WIDTH_PX / width)
    rotation *= scale
    shift = np.array([_MARGIN_PX, (STRIP_HEIGHT_PX - scale * height) / 2]) - scale * low
    # Pixel centres are at halves in our coordinates and at integers in OpenCV's.
    local = np.column_stack([rotation, shift + rotation @ (np.array(origin) + 0.5) - 0.5])
    if scale < 0.6:  # averaging first, or thin strokes fall between the samples
        strength = cv2.blur(strength, (round(1 / scale), round(1 / scale))).astype(np.uint8)
    size = (math.ceil(scale * width) + 2 * _MARGIN_PX, STRIP_HEIGHT_PX)
    turned = cv2.warpAffine(strength, local, size, flags=cv2.INTER_CUBIC)
    grey = 255 - np.clip(turned.astype(np.float32) * (255 / max(strongest, 1.0)), 0, 255)
    return Strip(grey.astype(np.uint8), np.column_stack([rotation, shift]), scale * height)
