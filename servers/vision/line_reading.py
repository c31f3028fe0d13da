"""One line of ink becomes text, checked against the shape of its ink.

Tesseract drops points and minus signs of small numbers without a drop in confidence; both are plain to see in the ink.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from servers.vision.geometry import PixelBox, union
from servers.vision.ink import Ink
from servers.vision.lines import TextLine, split_at_widest_gap
from servers.vision.strip import Strip, cut_strip
from servers.vision.tesseract import RawWord, recognise

# Below this a line is read again in another way, and the more confident reading counts.
_DOUBTFUL = 0.8
_DOUBTFUL_SLANTED = 0.9  # turning blurs, and a blurred 1 passes for a bracket
_CLEARLY_BETTER = 0.1
# Digits and what Tesseract makes of them in small print.
_LIKE_DIGITS = re.compile(r"[\dOoQDlIi|SsBZzx%$.,()+-]")
_NUMERIC = re.compile(r"[-+(]?[$€£¥]?\d[\d.,]*\s?[%kKMB)]?")
_COLON_NUMBER = re.compile(r"[-+(]?[$€£¥]?\d+:\d+\s?[%kKMB)]?")
_ENDS_AT_POINT = re.compile(r"\d[.,]$")
# What a minus sign is read as.
_LEADING_DASH = re.compile(r"^[-=~–—−_•·«“\"'‘]+\s*")
# In letter heights.
_POINT_GAP = 0.3
_SIGN_GAP = 0.4


@dataclass(frozen=True, slots=True)
class Reading:
    """The words of one line."""

    words: tuple[RawWord, ...]
    strip: Strip
    line: TextLine
    angle_deg: int

    @property
    def text(self) -> str:
        """The words, parted by spaces."""
        return " ".join(word.text for word in self.words)

    @property
    def confidence(self) -> float:
        """Of the recognition, weighted by letters."""
        letters = sum(len(word.text) for word in self.words)
        return sum(word.confidence * len(word.text) for word in self.words) / letters if letters else 0.0


def read(ink: Ink, line: TextLine, angle_deg: int) -> list[Reading]:
    """Return the reading of a line, or of its two halves where these make more sense."""
    whole = read_well(ink, line, angle_deg)
    if whole.confidence >= _DOUBTFUL:
        return [whole]
    # A label and the shape beside it may have been taken for one line.
    halves = [read_well(ink, half, angle_deg) for half in split_at_widest_gap(ink, line)]
    return halves if max(half.confidence for half in halves) > whole.confidence + _CLEARLY_BETTER else [whole]


def read_well(ink: Ink, line: TextLine, angle_deg: int, *, digits_only: bool = False) -> Reading:
    """Return the best of a few readings of a line, one where the first is good."""
    best = read_once(ink, line, angle_deg, digits_only=digits_only)
    doubtful = _DOUBTFUL if angle_deg % 90 == 0 else _DOUBTFUL_SLANTED
    if best.confidence < doubtful or _misses_a_point(ink, best):
        may_be_number = 2 * len(_LIKE_DIGITS.findall(best.text)) >= len(best.text) > 0
        ways = [(True, 1.0), (digits_only, 0.75), (True, 1.3)]
        if angle_deg % 90:
            ways.append((digits_only, 1.3))
        for as_digits, zoom in ways:
            if as_digits and not digits_only and not may_be_number:
                continue
            again = read_once(ink, line, angle_deg, digits_only=as_digits, zoom=zoom)
            if as_digits and not _NUMERIC.fullmatch(again.text):
                continue
            if (_misses_a_point(ink, best), -best.confidence) > (_misses_a_point(ink, again), -again.confidence):
                best = again
    return _with_signs(ink, _with_points(ink, replace(best, words=tuple(_joined_numbers(best.words)))))


def read_once(ink: Ink, line: TextLine, angle_deg: int, *, digits_only: bool = False, zoom: float = 1.0) -> Reading:
    """Return what Tesseract reads in the line's strip."""
    strip = cut_strip(ink, line, angle_deg, zoom)
    return Reading(tuple(recognise(strip.grey, single_line=True, digits_only=digits_only)), strip, line, angle_deg)


def _misses_a_point(ink: Ink, reading: Reading) -> bool:
    """Tell whether a number was read without the decimal point that stands in its ink: "74%" of "7.4%"."""
    if reading.angle_deg != 0 or not _NUMERIC.fullmatch(reading.text):
        return False
    low, _ = _dots(ink, reading.line)
    return low > len(re.findall(r"[.,]", reading.text))


def _with_points(ink: Ink, reading: Reading) -> Reading:
    """Return the reading with a point for each colon of a number whose ink has only the lower dot: "2:5" of "2.5"."""
    if reading.angle_deg != 0 or not _COLON_NUMBER.fullmatch(reading.text):
        return reading
    low, high = _dots(ink, reading.line)
    if low != 1 or high:
        return reading
    return replace(reading, words=tuple(replace(word, text=word.text.replace(":", ".")) for word in reading.words))


def _dots(ink: Ink, line: TextLine) -> tuple[int, int]:
    """Return how many (low, high) dots stand between the letters of an upright line."""
    height = line.letter_height_px
    boxes = ink.boxes[line.pieces]
    left, top = boxes[:, :2].min(axis=0).tolist()
    right, bottom = boxes[:, 2:].max(axis=0).tolist()
    dots = ink.boxes[ink.marks_near((left, top, right, bottom), height, 0)]
    is_inside = (dots[:, 0] > left) & (dots[:, 2] < right) & (dots[:, 2] - dots[:, 0] <= 0.35 * height)
    is_low = (dots[:, 1] > bottom - 0.5 * height) & (dots[:, 3] <= bottom + 0.3 * height)
    return int((is_inside & is_low).sum()), int((is_inside & ~is_low).sum())


def _joined_numbers(words: Sequence[RawWord]) -> list[RawWord]:
    """Return the words with numbers whole that were parted: "86." and "8" closer than any space, "-" and "5"."""
    joined: list[RawWord] = []
    for word in words:
        before = joined[-1] if joined else None
        if before is not None and word.text[:1].isdigit():
            height = max(word.box.height, before.box.height)
            gap = word.box.x_min - before.box.x_max
            is_point = bool(_ENDS_AT_POINT.search(before.text)) and gap <= _POINT_GAP * height
            is_sign = not _LEADING_DASH.sub("", before.text) and gap <= _SIGN_GAP * height
            if is_point or is_sign:
                # A sign's own confidence says little: `_with_signs` looks at its ink.
                confidence = min(before.confidence, word.confidence) if is_point else word.confidence
                joined[-1] = RawWord(before.text + word.text, union((before.box, word.box)), confidence)
                continue
        joined.append(word)
    return joined


def _with_signs(ink: Ink, reading: Reading) -> Reading:
    """Return the reading with a minus before each number that has one in its ink."""
    if reading.angle_deg != 0:
        return reading
    words = []
    for word in reading.words:
        number = _LEADING_DASH.sub("", word.text)
        if _NUMERIC.fullmatch(number) and word.text != f"-{number}":
            sign = _sign_before(ink, reading.line, reading.strip.to_image(word.box))
            if sign is not None:
                first = reading.strip.to_strip @ np.array([sign.x_min, sign.y_min, 1.0])
                box = word.box._replace(x_min=min(word.box.x_min, float(first[0])))
                word = RawWord(f"-{number}", box, word.confidence)
        words.append(word)
    return replace(reading, words=tuple(words))


def _sign_before(ink: Ink, line: TextLine, word: PixelBox) -> PixelBox | None:
    """Return the dash right before the word's first letter, halfway up, with no letter close to its left."""
    height = line.letter_height_px
    letters = ink.boxes[line.pieces]
    own = letters[(letters[:, 2] > word.x_min) & (letters[:, 0] < word.x_max)]
    own = own[own[:, 3] - own[:, 1] > 0.5 * height]
    if not len(own):
        return None
    first = own[own[:, 0].argmin()]
    left, top, right, bottom = first.tolist()
    dashes = ink.boxes[ink.marks_near((left, top, right, bottom), height, 0)]
    size = dashes[:, 2:] - dashes[:, :2]
    middle = (dashes[:, 1] + dashes[:, 3]) / 2
    is_dash = (
        (size[:, 1] <= 0.3 * height)
        & (size[:, 0] >= 0.22 * height)
        & (size[:, 0] >= 1.8 * size[:, 1])
        & (np.abs(middle - (first[1] + first[3]) / 2) <= 0.28 * height)
        & (dashes[:, 2] <= first[0] + 1)
        & (first[0] - dashes[:, 2] <= _SIGN_GAP * height)
    )
    if not is_dash.any():
        return None
    dash = dashes[is_dash][-1]
    touching = (letters[:, 2] <= dash[0] + 1) & (letters[:, 2] > dash[0] - _SIGN_GAP * height)
    return None if touching.any() else PixelBox(*map(float, dash))
