"""Words that stand at a slant: which angle they share, and which short ones belong to them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from servers.vision.ink import Ink

SLANTED_GAP = 2.2
"""Between the centres of two words' nearest letters, in letter heights."""
_ONE_SLANT_DEG = 8.0
_USUAL_SLANT_STEP_DEG, _USUAL_SLANT_OFF_DEG = 15, 3.5
_LEAST_CLEAR_SLANT_DEG = 27.0  # a short word with a tall letter at one end leans by up to 20
_INK_SLANT_DEG = 12.0
_LEAST_SLANTED_INK_PX = 15


def lean_alike(words: list[tuple[NDArray[np.int64], float]]) -> list[tuple[NDArray[np.int64], float]]:
    """Return slanted words at the slant most letters have where their own is near: three letters alone say little."""
    if not words:
        return words
    angles = np.repeat([angle for _, angle in words], [len(members) for members, _ in words])
    common = float(np.median(angles))
    usual = _USUAL_SLANT_STEP_DEG * round(common / _USUAL_SLANT_STEP_DEG)
    if abs(common - usual) <= _USUAL_SLANT_OFF_DEG:  # uneven letters pull the line through their centres askew
        common = float(usual)
    return [(members, common if abs(angle - common) <= _ONE_SLANT_DEG else angle) for members, angle in words]


def lean_short_words(
    upright: list[NDArray[np.int64]],
    slanted: list[tuple[NDArray[np.int64], float]],
    ink: Ink,
    glyphs: NDArray[np.int32],
) -> None:
    """Move words of too few pieces to show their direction ("'18", "2000" whose digits touch) to the slanted ones.

    They are those whose ink runs at a slant that other words have, or that stand right before or after a slanted word.
    """
    angles = [angle for _, angle in slanted]
    slants = {angle for angle in angles if angles.count(angle) >= 2 and abs(angle) >= _LEAST_CLEAR_SLANT_DEG}
    short = [word for word in upright if len(word) < 3] if slants else []
    moved: list[NDArray[np.int64]] = []
    for word in short:
        angle = _ink_slant(ink, glyphs[word])
        near = [slant for slant in slants if angle is not None and abs(slant - angle) <= _INK_SLANT_DEG]
        if near:
            moved.append(word)
            slanted.append((word, min(near)))
    boxes = ink.boxes[glyphs].astype(np.float64)
    for members, angle in list(slanted):
        for word in short if angle in slants else ():
            if not any(word is other for other in moved) and _continues(boxes[members], angle, boxes[word]):
                moved.append(word)
                slanted.append((word, angle))
    upright[:] = [word for word in upright if not any(word is other for other in moved)]


def _continues(word: NDArray[np.float64], angle_deg: float, other: NDArray[np.float64]) -> bool:
    """Tell whether the boxes of one or two letters stand on the line of a slanted word, one space from it at most."""
    letter = float(np.median((word[:, 2:] - word[:, :2]).max(axis=1)))
    size = float((other[:, 2:] - other[:, :2]).max())
    if not 0.5 * letter <= size <= 1.6 * letter:
        return False
    turn = math.radians(angle_deg)
    ours, theirs = (word[:, :2] + word[:, 2:]) / 2, (other[:, :2] + other[:, 2:]) / 2
    across = (theirs - ours.mean(axis=0)) @ np.array([math.sin(turn), math.cos(turn)])
    along = np.array([math.cos(turn), -math.sin(turn)])
    gap = max(
        float((theirs @ along).min() - (ours @ along).max()), float((ours @ along).min() - (theirs @ along).max())
    )
    return bool((np.abs(across) <= 0.4 * letter).all()) and gap <= SLANTED_GAP * letter


def _ink_slant(ink: Ink, pieces: NDArray[np.int32]) -> float | None:
    """Return the slant in degrees of the pieces' ink taken together; None where it has no clear direction."""
    left, top = ink.boxes[pieces, :2].min(axis=0)
    right, bottom = ink.boxes[pieces, 2:].max(axis=0)
    y, x = np.nonzero(np.isin(ink.labels[top:bottom, left:right], pieces))
    if len(x) < _LEAST_SLANTED_INK_PX:
        return None
    spread, axes = np.linalg.eigh(np.cov(np.stack([x, y]).astype(np.float64)))
    if spread[1] < 3.5 * spread[0] or spread[0] < 1:  # round as a letter, or thin as a rule
        return None
    slant = -math.degrees(math.atan2(axes[1, 1], axes[0, 1]))
    return (slant + 90) % 180 - 90
