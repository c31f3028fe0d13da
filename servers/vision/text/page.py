"""The words of an image, each with its pixels and confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.ink import Ink, find_ink
from servers.vision.text import recogniser
from servers.vision.text.lines import TextLine, find_lines
from servers.vision.text.lone_letters import read_lone_letters
from servers.vision.text.order import in_order
from servers.vision.text.plausible import plausible
from servers.vision.text.reading import Reading, read, read_once
from servers.vision.text.word import Word

_EVEN_LEVELS = 24  # of 255
_LEAST_EVEN = 0.5
_MOST_LINES = 1500
_LEAST_CONFIDENCE = 0.4
_SAMPLE_LINES = 40
_LEAST_READABLE = 0.15
_SMALL_PRINT_PX = 8.0
_ENLARGED = 3
_LARGEST_ENLARGED_PX = 2_000_000
_HAS_WORDS = 4  # letters from which a line says how its page is turned


def read_words(rgb: NDArray[np.uint8]) -> list[Word]:
    """Return the words of the picture, uint8 [h, w, 3], line by line in reading order.

    Raises:
      NotReady: the weights of text recognition are not installed.
    Text may be of any polarity and turned by any angle; a page on its head is read in its own order.
    """
    if not has_paper(rgb):
        return []
    ink = find_ink(rgb)
    scale = _ENLARGED if _is_small_print(ink) else 1
    if scale > 1:
        ink = find_ink(cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_LANCZOS4).astype(np.uint8))
    lines = sorted(find_lines(ink), key=lambda line: -len(line.pieces))[:_MOST_LINES]
    readings = read_lone_letters(ink, lines)
    read_already = {id(reading.line) for reading in readings}
    lines = [line for line in lines if id(line) not in read_already]
    for lying, turned in ((0, 180), (90, 270)):
        group = [line for line in lines if line.angle_deg == lying]
        angle = _upright_angle(ink, group, (lying, turned)) if group else lying
        readings += _read_all(ink, [(line, angle) for line in group])
    slanted = [(line, round(line.angle_deg) % 360) for line in lines if line.angle_deg not in (0, 90)]
    readings += _read_all(ink, slanted)
    words = [word for reading in in_order(plausible(ink, readings)) for word in reading.words]
    return _once_each([replace(word, box=word.box.scaled(1 / scale)) for word in words])


def warm() -> None:
    """Load what reading needs now instead of at the first picture.

    Raises:
      NotReady: the weights of text recognition are not installed.
    """
    # Not the languages: 78 MB that many pictures never need.
    recogniser.warm()


def has_paper(rgb: NDArray[np.uint8]) -> bool:
    """Tell whether enough of the picture is even for letters to stand on: noise and rough texture are not.

    Measured after a median of 5 x 5, which keeps a noisy scan (sigma 25: 0.97 even): 0.82 or more on 86 charts, tables
    and scans, 0.33 or less on noise (November 2026).
    """
    smooth = cv2.medianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), 5)
    around = np.ones((3, 3), np.uint8)
    is_even = cv2.dilate(smooth, around) - cv2.erode(smooth, around) <= _EVEN_LEVELS
    return float(is_even.mean()) >= _LEAST_EVEN


def _once_each(words: Sequence[Word]) -> list[Word]:
    """Return the words without pieces of others: a text inside another's text, in a box inside its box."""
    return [word for word in words if not any(_is_piece(word, other) for other in words)]


def _is_piece(word: Word, other: Word) -> bool:
    if len(word.text) >= len(other.text) or word.text not in other.text:
        return False
    inner, outer = word.box, other.box
    return (
        inner.x_min >= outer.x_min - 1
        and inner.y_min >= outer.y_min - 1
        and inner.x_max <= outer.x_max + 1
        and inner.y_max <= outer.y_max + 1
    )


def _read_all(ink: Ink, lines: Sequence[tuple[TextLine, int]]) -> list[Reading]:
    """Return the readings of lines, longest first; of a photo or noise, whose first lines make no sense, only those."""
    readings: list[Reading] = []
    for index, (line, angle) in enumerate(lines):
        readable = sum(reading.confidence >= _LEAST_CONFIDENCE for reading in readings)
        if index >= _SAMPLE_LINES and readable < _LEAST_READABLE * index:
            break
        readings += read(ink, line, angle)
    return readings


def _is_small_print(ink: Ink) -> bool:
    """Tell whether letters are so small that they touch, and the image so small that enlarging it is cheap."""
    if not ink.is_glyph.any() or ink.strength.size > _LARGEST_ENLARGED_PX:
        return False
    boxes = ink.boxes[ink.is_glyph]
    return float(np.percentile(boxes[:, 3] - boxes[:, 1], 75)) < _SMALL_PRINT_PX


def _upright_angle(ink: Ink, lines: Sequence[TextLine], angles: tuple[int, int]) -> int:
    """Return which of two opposite angles the longest lines read better at; the first unless they disagree clearly."""
    sample = [line for line in lines if len(line.pieces) >= _HAS_WORDS][:5]
    first = [read_once(ink, line, angles[0]) for line in sample]
    if not sample or _weighted_confidence(first) >= 0.7:
        return angles[0]
    second = [read_once(ink, line, angles[1]) for line in sample]
    return angles[1] if _weighted_confidence(second) > _weighted_confidence(first) + 0.15 else angles[0]


def _weighted_confidence(readings: Sequence[Reading]) -> float:
    weights = [len(reading.line.pieces) for reading in readings]
    return sum(reading.confidence * weight for reading, weight in zip(readings, weights, strict=True)) / sum(weights)
