"""The words of an image, each with its pixels and confidence."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.geometry import PixelBox, union
from servers.vision.tesseract import recognise


@dataclass(frozen=True, slots=True)
class Word:
    """A run of letters without a space."""

    text: str
    box: PixelBox
    """In the pixels of the image that was given."""
    confidence: float
    """Of the recognition, 0 to 1."""
    angle_deg: int = 0
    """How far the text is turned counter-clockwise: 90 reads from bottom to top."""


_SCALE = 2.0
_LEAST_CONFIDENCE = 0.3
_LINE_HEIGHT_PX = 48
_MARGIN_PX = 12


def read_words(rgb: NDArray[np.uint8]) -> list[Word]:
    """Return the words of the picture, uint8 [h, w, 3], in reading order.

    Raises:
      NotReady: the recognition data is not installed.
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    large = cv2.resize(grey, None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_CUBIC)
    return [
        Word(raw.text, PixelBox(*(edge / _SCALE for edge in raw.box)), raw.confidence)
        for raw in recognise(large.astype(np.uint8), single_line=False)
        if raw.confidence >= _LEAST_CONFIDENCE
    ]


def read_line(rgb_crop: NDArray[np.uint8], *, digits_only: bool = False) -> Word:
    """Return the one line of text in a small crop as a Word, words joined by spaces; no text gives "" and confidence 0.

    Args:
      rgb_crop: uint8 [h, w, 3], one horizontal line with a pixel or two of margin, of either polarity.
      digits_only: only digits, separators, signs, % and currency are considered.
    The box is in the crop's pixels. Raises NotReady where the recognition data is not installed.
    """
    height, width = rgb_crop.shape[:2]
    if height < 3 or width < 3:
        return Word("", PixelBox(0, 0, width, height), 0.0)
    grey = cv2.cvtColor(rgb_crop, cv2.COLOR_RGB2GRAY)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if float(np.median(border)) < float(grey.mean()):  # light text on dark
        grey = (255 - grey).astype(np.uint8)
    scale = max(1.0, _LINE_HEIGHT_PX / height)
    large = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    padded = np.pad(large.astype(np.uint8), _MARGIN_PX, constant_values=255)
    raw = recognise(padded, single_line=True, digits_only=digits_only)
    if not raw:
        return Word("", PixelBox(0, 0, width, height), 0.0)
    around = union(word.box for word in raw)
    box = PixelBox(*((edge - _MARGIN_PX) / scale for edge in around)).clipped(width, height)
    letters = sum(len(word.text) for word in raw)
    confidence = sum(word.confidence * len(word.text) for word in raw) / letters
    return Word(" ".join(word.text for word in raw), box, confidence)
