"""Letters that stand alone in a row, read together: "A", "B", "C" under an axis become the word "ABC".

A letter by itself says neither its case nor how it is turned: C is a large c, and a turned A is a "<". Beside its
fellows it says both.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.geometry import PixelBox
from servers.vision.ink import Ink
from servers.vision.text.lines import TextLine
from servers.vision.text.reading import Reading
from servers.vision.text.recogniser import STRIP_HEIGHT_PX, recognise
from servers.vision.text.word import Word

_LETTER_HEIGHT_PX = 26
_LEAST_LETTERS, _MOST_LETTERS = 3, 40
_MARGIN_PX = 8
_MOST_ROWS = 12
_LARGEST_SIZE_RATIO = 2.0
# In letter heights.
_OFF_ROW = 0.35
_GAP = 0.35  # as within a word, so that no space is read
_LEAST_CONFIDENCE = 0.6
_CLEARLY_BETTER = 0.05
_QUARTER_TURNS = {0: 0, 90: -1, 270: 1}


def read_lone_letters(ink: Ink, lines: Sequence[TextLine]) -> list[Reading]:
    """Return readings of those upright lines that are one letter each and stand in a row or a column with others.

    Rows that make no sense are left out, as are rows of one sign repeated, which are markers.
    """
    lone = [line for line in lines if line.angle_deg == 0 and len(line.pieces) == 1]
    rows = _aligned(ink, lone, axis=1)
    in_rows = {id(line) for row in rows for line in row}
    columns = _aligned(ink, [line for line in lone if id(line) not in in_rows], axis=0)
    readings: list[Reading] = []
    for row in rows[:_MOST_ROWS]:
        readings += _best(ink, row, (0, 90, 270))
    for column in columns[:_MOST_ROWS]:
        readings += _best(ink, column, (0,), stands=(True, False))
    return readings


def _aligned(ink: Ink, lines: Sequence[TextLine], *, axis: int) -> list[list[TextLine]]:
    """Return groups of lines of about one size whose middles agree in x (axis 0) or y (axis 1), longest first."""
    boxes = np.array([ink.boxes[line.pieces[0]] for line in lines], np.float64).reshape(-1, 4)
    size = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    middle = (boxes[:, axis] + boxes[:, axis + 2]) / 2
    free = np.ones(len(lines), np.bool_)
    groups: list[list[TextLine]] = []
    for seed in np.argsort(-size, kind="stable"):
        near = free & (np.abs(middle - middle[seed]) <= _OFF_ROW * size[seed])
        near &= size * _LARGEST_SIZE_RATIO >= size[seed]
        members = np.flatnonzero(near)
        if free[seed] and _LEAST_LETTERS <= len(members) <= _MOST_LETTERS:
            free[members] = False
            groups.append([lines[index] for index in members[np.argsort(boxes[members, 1 - axis], kind="stable")]])
    return sorted(groups, key=lambda group: -len(group))


def _best(ink: Ink, row: Sequence[TextLine], angles: Sequence[int], stands: Sequence[bool] = (True,)) -> list[Reading]:
    # Down a column no baseline is to be seen: letters stand on one, or hang from one height as x and y do.
    best: tuple[float, str, int] = (0.0, "", 0)
    size = np.array([ink.boxes[line.pieces[0]] for line in row])
    is_lying = bool(np.median((size[:, 2] - size[:, 0]) / (size[:, 3] - size[:, 1])) > 1)
    for angle, is_standing in itertools.product(angles, stands):
        letters = recognise(_word_picture(ink, row, angle, is_standing=is_standing))
        text = "".join(letter.text for letter in letters)
        fits = len(text) == len(row) and text.isascii() and text.isalnum() and len(set(text)) > 1
        confidence = sum(letter.probability for letter in letters) / max(1, len(text))
        # A few letters read the same on their side; most are higher than wide.
        lead = -_CLEARLY_BETTER if text == best[1] and is_lying and angle else _CLEARLY_BETTER if best[1] else 0.0
        if fits and confidence > best[0] + lead:
            best = (confidence, text, angle)
    confidence, text, angle = best
    if confidence < _LEAST_CONFIDENCE:
        return []
    return [_reading(ink, line, letter, angle, confidence) for line, letter in zip(row, text, strict=True)]


def _reading(ink: Ink, line: TextLine, letter: str, angle: int, confidence: float) -> Reading:
    box = PixelBox(*map(float, ink.boxes[line.pieces[0]]))
    return Reading((Word(letter, box, confidence, angle),), line, angle, is_of_row=True)


def _word_picture(ink: Ink, row: Sequence[TextLine], angle: int, *, is_standing: bool) -> NDArray[np.uint8]:
    """Return the letters side by side as dark on light, each turned back from its angle and set on one baseline."""
    boxes = np.array([ink.boxes[line.pieces[0]] for line in row])
    is_row = np.ptp(boxes[:, 1] + boxes[:, 3]) <= np.ptp(boxes[:, 0] + boxes[:, 2])
    letters = []
    for line, (left, top, right, bottom) in zip(row, boxes.tolist(), strict=True):
        is_ours = ink.labels[top:bottom, left:right] == line.pieces[0]
        letter = np.where(is_ours, ink.strength[top:bottom, left:right], 0)
        # The row's own baseline says that a p hangs below.
        below = int(boxes[:, 3].max()) - bottom if angle == 0 and is_row else 0
        letters.append(np.pad(np.rot90(letter, _QUARTER_TURNS[angle]), ((2, 2 + below), (2, 2))))
    height = max(len(letter) for letter in letters)
    gap = max(0, round(_GAP * (height - 4)) - 4)
    missing = [height - len(letter) for letter in letters]
    wide = [
        np.pad(letter, ((rest, 0) if is_standing else (0, rest), (0, gap)))
        for letter, rest in zip(letters, missing, strict=True)
    ]
    picture = np.concatenate(wide, axis=1).astype(np.uint8)
    scale = min(_LETTER_HEIGHT_PX / max(1, height - 4), STRIP_HEIGHT_PX / len(picture))
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    strongest = max(float(np.percentile(picture[picture > 0], 90)) if picture.any() else 1.0, 1.0)
    grey = (255 - np.clip(picture.astype(np.float32) * (255 / strongest), 0, 255)).astype(np.uint8)
    above = max(0, STRIP_HEIGHT_PX - len(grey)) // 2
    below = max(0, STRIP_HEIGHT_PX - len(grey) - above)
    padded = np.pad(grey, ((above, below), (_MARGIN_PX, _MARGIN_PX)), constant_values=255)
    return padded[:STRIP_HEIGHT_PX]
