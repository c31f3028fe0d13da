"""The words of an image, each with its pixels and confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.geometry import PixelBox, union
from servers.vision.ink import Ink, find_ink
from servers.vision.line_reading import Reading, read, read_once, read_well
from servers.vision.lines import TextLine, find_lines
from servers.vision.lone_letters import read_lone_letters


@dataclass(frozen=True, slots=True)
class Word:
    """A run of letters without a space."""

    text: str
    box: PixelBox
    """In the pixels of the image that was given."""
    confidence: float
    """Of the recognition, 0 to 1."""
    angle_deg: int = 0
    """How far the text is turned counter-clockwise, 0 to 359: 90 reads from bottom to top."""


_EVEN_LEVELS = 24  # of 255
_LEAST_EVEN = 0.5
_MOST_LINES = 1500
_LEAST_CONFIDENCE = 0.4
_SAMPLE_LINES = 40
_LEAST_READABLE = 0.15
# Within a line that reads well.
_LEAST_WORD_CONFIDENCE = 0.2
# One lone letter or digit is more often an icon, a marker or a piece of a curve than a word.
_LEAST_LETTER_CONFIDENCE = 0.6
_LEAST_DIGIT_CONFIDENCE = 0.75
_SMALL_PRINT_PX = 8.0
_ENLARGED = 3
_LARGEST_ENLARGED_PX = 2_000_000
_HAS_WORDS = 4  # letters from which a line says how its page is turned
_CROP_HEIGHT_PX = 60
_CROP_MARGIN_PX = 16


def read_words(rgb: NDArray[np.uint8]) -> list[Word]:
    """Return the words of the picture, uint8 [h, w, 3], line by line in reading order.

    Raises:
      NotReady: the recognition data is not installed.
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
    return _once_each([word for reading in _in_order(readings) for word in _words(reading, scale)])


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


def _words(reading: Reading, scale: int) -> list[Word]:
    if len(reading.text) == 1:
        is_sign = not reading.text.isalnum() and reading.text not in "%$€£"
        least = _LEAST_DIGIT_CONFIDENCE if reading.text.isdigit() else _LEAST_LETTER_CONFIDENCE
        if is_sign or reading.confidence < least:
            return []
    if reading.confidence < _LEAST_CONFIDENCE:
        return []
    return [
        Word(raw.text, reading.strip.to_image(raw.box).scaled(1 / scale), raw.confidence, reading.angle_deg)
        for raw in reading.words
        if raw.confidence >= _LEAST_WORD_CONFIDENCE
    ]


def _in_order(readings: list[Reading]) -> list[Reading]:
    """Return the readings by angle, the angle with the most letters first, and row by row within each."""
    groups: dict[int, list[Reading]] = {}
    for reading in readings:
        if reading.words:
            groups.setdefault(reading.angle_deg, []).append(reading)
    ordered: list[Reading] = []
    for angle, group in sorted(groups.items(), key=lambda item: (-sum(len(r.text) for r in item[1]), item[0])):
        placed = [(reading, _turned(reading, angle)) for reading in group]
        placed.sort(key=lambda item: (item[1].center_y, item[1].x_min))
        rows: list[list[tuple[Reading, PixelBox]]] = []
        for item in placed:
            if rows and item[1].center_y < rows[-1][0][1].y_max - 0.25 * rows[-1][0][1].height:
                rows[-1].append(item)
            else:
                rows.append([item])
        for row in rows:
            ordered += [reading for reading, _ in sorted(row, key=lambda item: item[1].x_min)]
    return ordered


def _turned(reading: Reading, angle: int) -> PixelBox:
    """Return the reading's box on the page turned so that the text is upright."""
    box = union(reading.strip.to_image(word.box) for word in reading.words)
    turn = np.deg2rad(angle)
    cosine, sine = float(np.cos(turn)), float(np.sin(turn))
    corners = [(x * cosine - y * sine, x * sine + y * cosine) for x in box[::2] for y in box[1::2]]
    xs, ys = zip(*corners, strict=True)
    return PixelBox(min(xs), min(ys), max(xs), max(ys))


def read_line(rgb_crop: NDArray[np.uint8], *, digits_only: bool = False) -> Word:
    """Return the one line of text in a small crop as a Word, words joined by spaces; no text gives "" and confidence 0.

    Args:
      rgb_crop: uint8 [h, w, 3], one horizontal line with a pixel or two of margin, of either polarity.
      digits_only: only digits, separators, signs, % and currency are considered.
    The box is in the crop's pixels. Raises NotReady where the recognition data is not installed.
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
    around = union(reading.strip.to_image(word.box) for word in reading.words)
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
