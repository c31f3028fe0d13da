"""The one line of text of a small crop."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.geometry import PixelBox, union
from servers.vision.text.reading import agreed, confidence_of, text_of
from servers.vision.text.recogniser import recognise
from servers.vision.text.spacing import words_of
from servers.vision.text.strip import warp_strip
from servers.vision.text.word import Word

_LEAST_CONTRAST = 30
_IS_INK = 0.5  # of the crop's strongest
# A row or column of ink from end to end at the crop's edge is a frame, an axis or a grid line.
_IS_RULE = 0.9
# Letters stand apart from their dots by less than this share of their height, lines of text by more.
_ROW_GAP = 0.3


def read_line(rgb_crop: NDArray[np.uint8], *, digits_only: bool = False) -> Word:
    """Return the one line of text in a small crop as a Word, words joined by spaces; no text gives "" and confidence 0.

    Args:
      rgb_crop: uint8 [h, w, 3], one horizontal line with a pixel or two of margin, of either polarity.
      digits_only: only digits, separators, signs, % and currency are considered.
    The box is in the crop's pixels. Raises NotReady where the weights are not installed.
    """
    height, width = rgb_crop.shape[:2]
    nothing = Word("", PixelBox(0, 0, width, height), 0.0)
    if height < 3 or width < 3:
        return nothing
    border = np.concatenate([rgb_crop[0], rgb_crop[-1], rgb_crop[:, 0], rgb_crop[:, -1]])
    paper = np.median(border, axis=0).astype(np.uint8)
    contrast = np.asarray(cv2.absdiff(rgb_crop, np.broadcast_to(paper, rgb_crop.shape).copy()).max(axis=2), np.uint8)
    strongest = float(np.percentile(contrast, 99.5))
    ink_box = _text_box(contrast > _IS_INK * strongest)
    if strongest < _LEAST_CONTRAST or ink_box is None:
        return nothing

    outline = np.array(ink_box).reshape(2, 2)

    def view(zoom: float) -> list[Word]:
        strip = warp_strip(contrast, (0, 0), outline, strongest, zoom=zoom)
        return words_of(recognise(strip.grey, digits_only=digits_only), strip, 0)

    words = agreed(view)
    if not words:
        return nothing
    box = union(word.box for word in words).clipped(width, height)
    return Word(text_of(words), box, confidence_of(words))


def _text_box(is_ink: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Return x_min, y_min, x_max, y_max of the ink, without rules at the edges and lines of text cut by them."""
    is_ink = is_ink.copy()
    for turned in (is_ink, is_ink.T):
        for edge in (turned, turned[::-1]):
            for row in edge:
                if row.mean() < _IS_RULE:
                    break
                row[:] = False
    rows = np.flatnonzero(np.diff(np.r_[False, is_ink.any(axis=1), False].astype(np.int8))).reshape(-1, 2)
    if not len(rows):
        return None
    main = int(np.argmax([is_ink[top:bottom].sum() for top, bottom in rows]))
    top, bottom = rows[main].tolist()
    reach = max(2.0, _ROW_GAP * (bottom - top))
    near = [(first, last) for first, last in rows.tolist() if first - bottom <= reach and top - last <= reach]
    top, bottom = min(first for first, _ in near), max(last for _, last in near)
    columns = np.flatnonzero(is_ink[top:bottom].any(axis=0))
    return int(columns[0]), top, int(columns[-1]) + 1, bottom
