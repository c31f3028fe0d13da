"""Words on one slanted line, joined: category labels and dates printed at an angle."""

from __future__ import annotations

import math
from collections.abc import Sequence

from servers.vision.geometry import PixelBox, union
from servers.vision.text import Word


def slanted_runs(words: Sequence[Word], height: float) -> list[tuple[str, PixelBox, int]]:
    """Return (text, box, angle) of words that follow each other on one slanted line."""
    runs: list[list[Word]] = []
    for word in sorted(words, key=_along):
        for run in runs:
            last = run[-1]
            near = abs((word.angle_deg - last.angle_deg + 180) % 360 - 180) <= 10
            apart = _along(word) - _along(last) - (_length(word, height) + _length(last, height)) / 2
            if near and abs(_aside(word) - _aside(last)) < 0.7 * height and apart < 1.1 * height:
                run.append(word)
                break
        else:
            runs.append([word])
    return [(" ".join(word.text for word in run), union(word.box for word in run), run[0].angle_deg) for run in runs]


def _along(word: Word) -> float:
    angle = math.radians(word.angle_deg)
    return word.box.center_x * math.cos(angle) - word.box.center_y * math.sin(angle)


def _aside(word: Word) -> float:
    angle = math.radians(word.angle_deg)
    return word.box.center_x * math.sin(angle) + word.box.center_y * math.cos(angle)


def _length(word: Word, height: float) -> float:
    """Return the word's length along its line, from its upright box."""
    angle = math.radians(word.angle_deg)
    cosine, sine = abs(math.cos(angle)), abs(math.sin(angle))
    if cosine > sine:
        return max(0.0, (word.box.width - height * sine) / cosine)
    return max(0.0, (word.box.height - height * cosine) / sine)
