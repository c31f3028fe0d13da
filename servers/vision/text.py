"""The words of an image, each with its pixels and confidence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.geometry import PixelBox, union
from servers.vision.ink import Ink, find_ink
from servers.vision.lines import TextLine, find_lines, split_at_widest_gap
from servers.vision.strip import MARGIN_PX, Strip, cut_strip
from servers.vision.tesseract import RawWord, recognise


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


@dataclass(frozen=True, slots=True)
class _Reading:
    raw: list[RawWord]
    strip: Strip
    line: TextLine
    angle_deg: int

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.raw)

    @property
    def confidence(self) -> float:
        return _mean_confidence(self.raw)


_MOST_LINES = 1500
# Below this a line is read again in another way, and the more confident reading counts.
_DOUBTFUL = 0.8
_LEAST_CONFIDENCE = 0.4
# Within a line that reads well.
_LEAST_WORD_CONFIDENCE = 0.2
# One lone letter is more often an icon or a marker than a word.
_LEAST_SINGLE_CONFIDENCE = 0.6
_SMALL_PRINT_PX = 8.0
_ENLARGED = 3
_LARGEST_DOUBLED_PX = 2_000_000
_ENDS_AT_POINT = re.compile(r"\d[.,]$")
_POINT_GAP = 0.3  # letter heights
_HAS_WORDS = 4  # letters from which a line says how its page is turned
# Digits and what Tesseract makes of them in small print.
_LIKE_DIGITS = re.compile(r"[\dOoQDlIi|SsBZzx%$.,()+-]")
_NUMERIC = re.compile(r"[-+(]?[$€£¥]?\d[\d.,]*\s?[%kKMB)]?")


def read_words(rgb: NDArray[np.uint8]) -> list[Word]:
    """Return the words of the picture, uint8 [h, w, 3], line by line in reading order.

    Raises:
      NotReady: the recognition data is not installed.
    Text may be of any polarity and turned by any angle; a page on its head is read in its own order.
    """
    ink = find_ink(rgb)
    scale = _ENLARGED if _is_small_print(ink) else 1
    if scale > 1:
        ink = find_ink(cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_LANCZOS4).astype(np.uint8))
    lines = sorted(find_lines(ink), key=lambda line: -len(line.pieces))[:_MOST_LINES]
    readings = []
    for lying, turned in ((0, 180), (90, 270)):
        group = [line for line in lines if line.angle_deg == lying]
        angle = _upright_angle(ink, group, (lying, turned)) if group else lying
        readings += [reading for line in group for reading in _read(ink, line, angle)]
    for line in lines:
        if line.angle_deg not in (0, 90):
            readings += _read(ink, line, round(line.angle_deg) % 360)
    return [word for reading in _in_order(readings) for word in _words(reading, scale)]


def _is_small_print(ink: Ink) -> bool:
    """Tell whether letters are so small that they touch, and the image so small that doubling it is cheap."""
    if not ink.is_glyph.any() or ink.strength.size > _LARGEST_DOUBLED_PX:
        return False
    boxes = ink.boxes[ink.is_glyph]
    return float(np.percentile(boxes[:, 3] - boxes[:, 1], 75)) < _SMALL_PRINT_PX


def _upright_angle(ink: Ink, lines: Sequence[TextLine], angles: tuple[int, int]) -> int:
    """Return which of two opposite angles the longest lines read better at; the first unless they disagree clearly."""
    sample = [line for line in lines if len(line.pieces) >= _HAS_WORDS][:5]
    first = [_read_once(ink, line, angles[0]) for line in sample]
    if not sample or _weighted_confidence(first) >= 0.7:
        return angles[0]
    second = [_read_once(ink, line, angles[1]) for line in sample]
    return angles[1] if _weighted_confidence(second) > _weighted_confidence(first) + 0.15 else angles[0]


def _weighted_confidence(readings: Sequence[_Reading]) -> float:
    weights = [len(reading.line.pieces) for reading in readings]
    return sum(reading.confidence * weight for reading, weight in zip(readings, weights, strict=True)) / sum(weights)


def _read(ink: Ink, line: TextLine, angle: int) -> list[_Reading]:
    whole = _read_well(ink, line, angle)
    if whole.confidence >= _DOUBTFUL:
        return [whole]
    # A label and the shape beside it may have been taken for one line.
    halves = [_read_well(ink, half, angle) for half in split_at_widest_gap(ink, line)]
    return halves if max(half.confidence for half in halves) > whole.confidence + 0.1 else [whole]


def _read_well(ink: Ink, line: TextLine, angle: int) -> _Reading:
    best = _read_once(ink, line, angle)
    if best.confidence >= _DOUBTFUL and not _misses_a_point(ink, best):
        return best
    may_be_number = 2 * len(_LIKE_DIGITS.findall(best.text)) >= len(best.text) > 0
    for digits_only, zoom in ((True, 1.0), (False, 0.75), (True, 1.3)):
        if digits_only and not may_be_number:
            continue
        again = _read_once(ink, line, angle, digits_only=digits_only, zoom=zoom)
        if digits_only and not _NUMERIC.fullmatch(again.text):
            continue
        if (_misses_a_point(ink, best), -best.confidence) > (_misses_a_point(ink, again), -again.confidence):
            best = again
    return best


def _read_once(ink: Ink, line: TextLine, angle: int, *, digits_only: bool = False, zoom: float = 1.0) -> _Reading:
    strip = cut_strip(ink, line, angle, zoom)
    return _Reading(recognise(strip.grey, single_line=True, digits_only=digits_only), strip, line, angle)


def _misses_a_point(ink: Ink, reading: _Reading) -> bool:
    """Tell whether a number was read without the decimal point that stands in its ink: "74%" of "7.4%"."""
    if reading.angle_deg != 0 or not _NUMERIC.fullmatch(reading.text):
        return False
    height = reading.line.letter_height_px
    boxes = ink.boxes[reading.line.pieces]
    left, top = boxes[:, :2].min(axis=0).tolist()
    right, bottom = boxes[:, 2:].max(axis=0).tolist()
    dots = ink.boxes[ink.marks_near((left, top, right, bottom), height, 0)]
    is_low = (dots[:, 1] > bottom - 0.5 * height) & (dots[:, 3] <= bottom + 0.3 * height)
    is_inside = (dots[:, 0] > left) & (dots[:, 2] < right) & (dots[:, 2] - dots[:, 0] <= 0.35 * height)
    return int((is_low & is_inside).sum()) > len(re.findall(r"[.,]", reading.text))


def _words(reading: _Reading, scale: int) -> list[Word]:
    if len(reading.text) == 1 and not reading.text.isdigit():
        is_sign = not reading.text.isalpha() and reading.text not in "%$€£"  # alone: a piece of a curve, a marker
        if is_sign or reading.confidence < _LEAST_SINGLE_CONFIDENCE:
            return []
    if reading.confidence < _LEAST_CONFIDENCE:
        return []
    return [
        Word(raw.text, reading.strip.to_image(raw.box).scaled(1 / scale), raw.confidence, reading.angle_deg)
        for raw in _joined_numbers(reading.raw)
        if raw.confidence >= _LEAST_WORD_CONFIDENCE
    ]


def _joined_numbers(words: Sequence[RawWord]) -> list[RawWord]:
    """Return the words with numbers whole that were parted at their point: "86." and "8", closer than any space."""
    joined: list[RawWord] = []
    for word in words:
        before = joined[-1] if joined else None
        if before is not None and _ENDS_AT_POINT.search(before.text) and word.text[:1].isdigit():
            gap = word.box.x_min - before.box.x_max
            if gap <= _POINT_GAP * max(word.box.height, before.box.height):
                confidence = min(before.confidence, word.confidence)
                joined[-1] = RawWord(before.text + word.text, union((before.box, word.box)), confidence)
                continue
        joined.append(word)
    return joined


def _in_order(readings: list[_Reading]) -> list[_Reading]:
    """Return the readings by angle, the angle with the most letters first, and row by row within each."""
    groups: dict[int, list[_Reading]] = {}
    for reading in readings:
        if reading.raw:
            groups.setdefault(reading.angle_deg, []).append(reading)
    ordered: list[_Reading] = []
    for angle, group in sorted(groups.items(), key=lambda item: (-sum(len(r.text) for r in item[1]), item[0])):
        placed = [(reading, _turned(reading, angle)) for reading in group]
        placed.sort(key=lambda item: (item[1].center_y, item[1].x_min))
        rows: list[list[tuple[_Reading, PixelBox]]] = []
        for item in placed:
            if rows and item[1].center_y < rows[-1][0][1].y_max - 0.25 * rows[-1][0][1].height:
                rows[-1].append(item)
            else:
                rows.append([item])
        for row in rows:
            ordered += [reading for reading, _ in sorted(row, key=lambda item: item[1].x_min)]
    return ordered


def _turned(reading: _Reading, angle: int) -> PixelBox:
    """Return the reading's box on the page turned so that the text is upright."""
    box = union(reading.strip.to_image(word.box) for word in reading.raw)
    turn = np.deg2rad(angle)
    cosine, sine = float(np.cos(turn)), float(np.sin(turn))
    corners = [(x * cosine - y * sine, x * sine + y * cosine) for x in box[::2] for y in box[1::2]]
    xs, ys = zip(*corners, strict=True)
    return PixelBox(min(xs), min(ys), max(xs), max(ys))


def _mean_confidence(raw: Sequence[RawWord]) -> float:
    letters = sum(len(word.text) for word in raw)
    return sum(word.confidence * len(word.text) for word in raw) / letters if letters else 0.0


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
    grey = cv2.cvtColor(rgb_crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    strength = np.abs(grey - float(np.median(border)))
    if strength.max() < 12:
        return nothing
    inked_rows = np.flatnonzero((strength > 0.4 * strength.max()).any(axis=1))
    best, best_raw = nothing, None
    for letter_height_px in (32, 24):
        scale = min(max(letter_height_px / max(len(inked_rows), 4), 0.25), 8.0)
        large = cv2.resize(strength, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        page = 255 - np.clip(large * (255 / strength.max()), 0, 255)
        padded = np.pad(page.astype(np.uint8), MARGIN_PX, constant_values=255)
        raw = recognise(padded, single_line=True, digits_only=digits_only)
        confidence = _mean_confidence(raw)
        if raw and (best_raw is None or confidence > best.confidence):
            edges = (max(0.0, (edge - MARGIN_PX) / scale) for edge in union(word.box for word in raw))
            best = Word(" ".join(word.text for word in raw), PixelBox(*edges).clipped(width, height), confidence)
            best_raw = raw
        if best.confidence >= 0.9:
            break
    return best
