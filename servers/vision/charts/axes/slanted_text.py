"""Words on one slanted line, joined: category labels and dates printed at an angle."""

from __future__ import annotations

import math
from collections.abc import Sequence

from servers.vision.charts.picture.page import Page
from servers.vision.geometry import PixelBox, union
from servers.vision.text import Word

_UPRIGHT = range(80, 101)
_COLUMN_GAP = 1.6  # letter heights between pieces of one upright label
_MOST_REREADS = 24  # about 6 ms each


def turned_runs(page: Page) -> list[tuple[str, PixelBox, int]]:
    """Return (text, box, angle) of the page's turned lines; upright ones that recognition broke are read again whole.

    Of "Jan '16" turned upright, "Jan", the 1 and the 6 may each have been read as a word, the 1 as a level one.
    """
    height = page.text_height
    runs = slanted_runs(page.turned, height)
    upright = [run for run in runs if run[2] in _UPRIGHT]
    level = [word.box for run in page.runs for word in run.words if sum(map(str.isalnum, word.text)) <= 2]
    out = [run for run in runs if run[2] not in _UPRIGHT]
    rereads, done = 0, [False] * len(upright)
    for index, run in enumerate(upright):
        if done[index]:
            continue
        box, members = run[1], [index]
        candidates = [*((other[1], k) for k, other in enumerate(upright) if k != index), *((b, -1) for b in level)]
        grew = True
        while grew:
            grew = False
            for other, k in list(candidates):
                aside = abs(other.center_x - box.center_x)
                apart = max(other.y_min - box.y_max, box.y_min - other.y_max)
                if aside < 0.6 * height and apart < _COLUMN_GAP * height and other.width < 2 * height:
                    box, grew = union((box, other)), True
                    members.append(k)
                    candidates.remove((other, k))
        if len(members) == 1 or rereads >= _MOST_REREADS:
            out.append(run)
            continue
        for k in members:
            if k >= 0:
                done[k] = True
        rereads += 1
        word = page.read_word(box.grown(2, 2), upwards=True)
        out.append((word.text.strip(" |_—"), box, run[2]))
    return out


def end_of(box: PixelBox, angle_deg: int) -> float:
    """Return the x of a slanted label's upper end: right for text that rises, left for text that falls."""
    return box.x_max if angle_deg % 180 < 90 else box.x_min


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
