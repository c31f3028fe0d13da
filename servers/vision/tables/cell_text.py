"""What the runs of a table say: from the page's words where these fit, else read alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from servers.vision.geometry import PixelBox, union
from servers.vision.text import Word, read_line

_CONFIDENT = 0.85
_SLACK = 0.6  # letter heights that a word's box may be off
_COVERED = 0.5  # of an ink word's width
_FLAT = 0.4  # letter heights; lower ink is a dash
_HYPHEN, _EN_DASH = 0.65, 1.2
_MARGIN = 0.35  # letter heights of paper around a crop
_MOST_CROPS = 600
"""Lines read alone in one picture; a larger table keeps the page's words for the rest."""


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
        self._crops = 0

    def read(self, run: Sequence[PixelBox], height_px: float) -> Text:
        """Return the text of ink words of one line, left to right.

        Args:
          height_px: of the letters.
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
        fits = bool(found) and self._fits(found, run, box, height)
        of_page = _joined(found) if found else Text("", 0.0)
        if (fits and of_page.confidence >= _CONFIDENT) or self._crops >= _MOST_CROPS:
            return of_page
        self._crops += 1
        alone = read_line(self._crop(box, height))
        if fits and of_page.confidence > alone.confidence:
            return of_page
        return Text(" ".join(alone.text.split()), alone.confidence)

    def _words_in(self, box: PixelBox, height: float) -> list[Word]:
        x, y = self._centers.T
        inside = (x >= box.x_min) & (x < box.x_max) & (np.abs(y - box.center_y) <= max(0.5 * box.height, 0.6 * height))
        return sorted((self._words[index] for index in np.flatnonzero(inside)), key=lambda word: word.box.x_min)

    @staticmethod
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

    def _crop(self, box: PixelBox, height: float) -> NDArray[np.uint8]:
        around = box.grown(max(2.0, _MARGIN * height), max(1.0, _MARGIN * height))
        x0, y0, x1, y1 = (round(edge) for edge in around.clipped(self._rgb.shape[1], self._rgb.shape[0]))
        return self._rgb[y0:y1, x0:x1]


def _dash(width: float) -> Text:
    """Return the dash of a width in letter heights; alone in a cell it says that there is no value."""
    return Text("-" if width < _HYPHEN else "\u2013" if width < _EN_DASH else "\u2014", 0.95)


def _joined(words: Sequence[Word]) -> Text:
    letters = sum(len(word.text) for word in words)
    confidence = sum(word.confidence * len(word.text) for word in words) / letters if letters else 0.0
    return Text(" ".join(word.text for word in words), min(confidence, 1.0))
