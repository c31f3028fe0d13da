"""The one line of text of a small crop."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.geometry import PixelBox, union
from servers.vision.ink import Ink, find_ink
from servers.vision.text.lines import TextLine, find_lines
from servers.vision.text.reading import read_well
from servers.vision.text.word import Word

_CROP_HEIGHT_PX = 60
_CROP_MARGIN_PX = 16


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
    # The margin takes the colour of the paper, of which a tight crop has too little to be known by.
    border = np.concatenate([rgb_crop[0], rgb_crop[-1], rgb_crop[:, 0], rgb_crop[:, -1]])
    paper = np.median(border, axis=0).astype(np.uint8)
    scale = min(max(_CROP_HEIGHT_PX / height, 1.0), 4.0)
    large = cv2.resize(rgb_crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_LANCZOS4)
    margin = _CROP_MARGIN_PX
    page = np.empty((large.shape[0] + 2 * margin, large.shape[1] + 2 * margin, 3), np.uint8)
    page[:] = paper
    page[margin:-margin, margin:-margin] = large
    ink = find_ink(page)
    line = _main_line([line for line in find_lines(ink) if line.angle_deg == 0], ink)
    if line is None:
        return nothing
    reading = read_well(ink, line, 0, digits_only=digits_only)
    if not reading.words:
        return nothing
    around = union(word.box for word in reading.words)
    box = PixelBox(*((edge - margin) / scale for edge in around)).clipped(width, height)
    return Word(reading.text, box, reading.confidence)


def _main_line(lines: Sequence[TextLine], ink: Ink) -> TextLine | None:
    """Return the line with most ink together with what stands beside it in the same row."""
    if not lines:
        return None
    boxes = [ink.boxes[line.pieces] for line in lines]
    main = max(
        range(len(lines)), key=lambda index: float(np.prod(boxes[index][:, 2:] - boxes[index][:, :2], axis=1).sum())
    )
    top, bottom = boxes[main][:, 1].min(), boxes[main][:, 3].max()
    row = [
        line for line, box in zip(lines, boxes, strict=True) if top <= (box[:, 1].min() + box[:, 3].max()) / 2 <= bottom
    ]
    return TextLine(np.concatenate([line.pieces for line in row]), 0.0, lines[main].letter_height_px)
