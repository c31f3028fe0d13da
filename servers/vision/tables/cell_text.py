"""What the runs of a table say: from the page's words where these fit, else read alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from servers.vision.geometry import PixelBox, union
from servers.vision.tables.run_strip import cut_run
from servers.vision.text.recogniser import recognise
from servers.vision.text.spacing import words_of
from servers.vision.text.word import Word

_CONFIDENT = 0.9
_SMALL_PRINT_PX = 14.0
"""Median height of letters below which each run is read from its own pixels.

However sure the page's words are: taking those of 0.97 and more gave RMS-F1 0.90 instead of 0.96 on seven tables of
journals, mostly for lost points, and saved a tenth of the time (November 2026).
"""
_SLACK = 0.6  # letter heights that a word's box may be off
_COVERED = 0.5  # of an ink word's width
_MOST_RUNS = 500
"""Runs read alone in one picture; a larger table keeps the page's words for the rest."""
# In letter heights.
_FLAT = 0.4  # lower ink is a dash
_HYPHEN, _EN_DASH = 0.65, 1.0
_DASH_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Text:
    """What a run says."""

    text: str
    confidence: float
    """0 to 1, of the recognition."""


class CellReader:
    """Reads runs of ink words, each once."""

    def __init__(self, rgb: NDArray[np.uint8], words: Sequence[Word]) -> None:
        self._rgb = rgb
        self._words = [word for word in words if word.angle_deg == 0]
        self._centers = np.array([(word.box.center_x, word.box.center_y) for word in self._words]).reshape(-1, 2)
        self._known: dict[tuple[PixelBox, ...], Text] = {}
        self._read_alone = 0

    def read(self, run: Sequence[PixelBox], height_px: float) -> Text:
        """Return the text of ink words of one line, left to right.

        Args:
          height_px: of the letters.
        Raises:
          NotReady: the weights of the recognition are not installed.
        """
        key = tuple(run)
        if len(key) == 1 and key[0].height <= _FLAT * height_px:
            return _dash(key[0].width / height_px)
        if key not in self._known:
            self._known[key] = self._read(key, height_px)
        return self._known[key]

    def _read(self, run: tuple[PixelBox, ...], height: float) -> Text:
        box = union(run)
        found = self._words_in(box, height)
        fits = bool(found) and _fits(found, run, box, height)
        of_page = _joined(found)
        is_large = height >= _SMALL_PRINT_PX
        if (is_large and fits and of_page.confidence >= _CONFIDENT) or self._read_alone >= _MOST_RUNS:
            return of_page
        self._read_alone += 1
        strip = cut_run(self._rgb, box, height)
        alone = _joined(words_of(recognise(strip.grey), strip, 0))
        if not fits:
            return alone
        first, second = (of_page, alone) if is_large and of_page.confidence > alone.confidence else (alone, of_page)
        return _agreed(first, second)

    def _words_in(self, box: PixelBox, height: float) -> list[Word]:
        x, y = self._centers.T
        inside = (x >= box.x_min) & (x < box.x_max) & (np.abs(y - box.center_y) <= max(0.5 * box.height, 0.6 * height))
        return sorted((self._words[index] for index in np.flatnonzero(inside)), key=lambda word: word.box.x_min)


def _agreed(first: Text, second: Text) -> Text:
    """Return the first of two looks: as sure as the surer one where both say the same, else with its share of both.

    Of words only one look's certainty counts: a letter more or less leaves them what they are, unlike a number.
    """
    if first.text == second.text:
        return Text(first.text, max(first.confidence, second.confidence))
    if not any(character.isdigit() for character in first.text + second.text):
        return first
    both = first.confidence + second.confidence
    return Text(first.text, first.confidence * (first.confidence / both) if both else 0.0)


def _fits(words: Sequence[Word], run: Sequence[PixelBox], box: PixelBox, height: float) -> bool:
    """Tell whether the words are those of the run: none reaches out of it, and none of its ink was left out."""
    slack = _SLACK * height
    if any(word.box.x_min < box.x_min - slack or word.box.x_max > box.x_max + slack for word in words):
        return False
    return all(
        sum(max(0.0, min(ink.x_max, word.box.x_max) - max(ink.x_min, word.box.x_min)) for word in words)
        >= _COVERED * ink.width
        for ink in run
    )


def _dash(width: float) -> Text:
    """Return the dash of a width in letter heights; alone in a cell it says that there is no value."""
    return Text("-" if width < _HYPHEN else "\u2013" if width < _EN_DASH else "\u2014", _DASH_CONFIDENCE)


def _joined(words: Sequence[Word]) -> Text:
    """Return the words as one text, as sure as the least sure of them."""
    text = " ".join(word.text for word in words)
    return Text(text, min((word.confidence for word in words), default=0.0))
