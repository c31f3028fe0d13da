"""Which readings are text: icons, markers, error bars and pieces of curves look like letters to a recogniser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from servers.vision.ink import Ink
from servers.vision.text.alphabet import SHAPES
from servers.vision.text.reading import Reading
from servers.vision.text.word import Word

_LEAST_CONFIDENCE = 0.4
# Within a line that reads well.
_LEAST_WORD_CONFIDENCE = 0.2
# One letter or digit alone is more often something else.
_LEAST_LETTER_CONFIDENCE = 0.6
_LEAST_DIGIT_CONFIDENCE = 0.75
_SIGNS_OF_VALUES = "%$€£¥"
# Ticks and markers stand beside labels, which are short; sentences and code end in signs.
_SHORT_LINE = 3
_SPECKS = "-–|.,:;'’‘\"·•*_^~°+"
# A bare upright stroke: a 1 has a flag, and an I or l stands in a word or a row of letters.
_STROKE_ASPECT = 0.28
# A letter alone is about as high as the words of its page.
_SURE = 0.8
_SMALLEST_RATIO, _LARGEST_RATIO = 0.55, 1.8


def plausible(ink: Ink, readings: Sequence[Reading]) -> list[Reading]:
    """Return the readings that are text, without the words of theirs that are not."""
    heights = np.array(
        [
            reading.line.letter_height_px
            for reading in readings
            if reading.confidence >= _SURE and sum(map(str.isalnum, reading.text)) > 1
        ]
    )
    found = []
    for reading in readings:
        if reading.confidence < _LEAST_CONFIDENCE or (len(reading.text) == 1 and not _is_letter(ink, reading, heights)):
            continue
        words = _without_signs([word for word in reading.words if word.confidence >= _LEAST_WORD_CONFIDENCE])
        if words:
            found.append(replace(reading, words=tuple(words)))
    return found


def _is_letter(ink: Ink, reading: Reading, heights: NDArray[np.float64]) -> bool:
    if not reading.text.isalnum() and reading.text not in _SIGNS_OF_VALUES:
        return False
    least = _LEAST_DIGIT_CONFIDENCE if reading.text.isdigit() else _LEAST_LETTER_CONFIDENCE
    if reading.confidence < least:
        return False
    if not reading.is_of_row:
        boxes = ink.boxes[reading.line.pieces]
        width, height = (boxes[:, 2:].max(axis=0) - boxes[:, :2].min(axis=0)).tolist()
        upright, across = (height, width) if reading.angle_deg % 180 == 0 else (width, height)
        if across < _STROKE_ASPECT * upright:
            return False
    ratio = reading.line.letter_height_px / heights
    return not len(heights) or bool(((ratio >= _SMALLEST_RATIO) & (ratio <= _LARGEST_RATIO)).any())


def _without_signs(words: Sequence[Word]) -> list[Word]:
    """Return the words without markers, those of a short line also without bullets, dashes and specks at its ends."""
    cleaned = [replace(word, text=word.text.strip(SHAPES)) for word in words]
    if not any(any(map(str.isalnum, word.text)) or word.text in _SIGNS_OF_VALUES for word in cleaned):
        return []
    if len(cleaned) > _SHORT_LINE:
        return [word for word in cleaned if word.text]
    says = [bool(word.text.strip(_SPECKS)) for word in cleaned]
    if not any(says):
        return []
    first, last = says.index(True), len(says) - says[::-1].index(True)
    return [word for word in cleaned[first:last] if word.text]
