"""Legends found from their words: names with keys of one size at one distance before them, in columns or rows.

Keys are found wherever something of a mark's colour stands right before a word, dashes and crossing lines included;
that many names agree on how long a key is and how far away is what makes them a legend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.picture.page import Page, quantity
from servers.vision.dates import date_parts, parse_date
from servers.vision.geometry import PixelBox, union
from servers.vision.text import Word

Color = NDArray[np.float32]

# In letter heights: keys of plotting libraries are a line sample 2 to 4 wide, or a patch, 0.4 to 1.5 before the name.
_REACH = 7.0
_GAP = (0.12, 2.8)
_KEY = (0.3, 5.8)
_DASH_GAP = 0.7
_BAND = 0.32
_CLEAR = (0.55, 0.85)
_SAME_SIZE = 0.4
_ALIGNED = 0.45
_LEAST_INK = 0.3  # of a key's columns, for one whose ends other marks hide
_LEAST_MIX = 0.4  # of ink in an antialiased pixel
_OFF_MIX = 12.0
_FAR = 14.0
_MOST_STARTS = 400


@dataclass(frozen=True, slots=True)
class Row:
    """A name and the key before it."""

    color: int
    words: tuple[Word, ...]
    box: PixelBox
    key: PixelBox
    is_clear: bool
    """Nothing of the key's colour goes on above or below it."""


@dataclass(frozen=True, slots=True)
class _Start:
    words: tuple[Word, ...]
    box: PixelBox


def owners(page: Page, colors: Sequence[Color], papers: Sequence[Color]) -> NDArray[np.int16]:
    """Return which colour each pixel shows, mixed with paper or pure, -1 for none, int16 [h, w]."""
    present, lab = page.distinct
    distance = np.full((len(colors), len(lab)), np.inf, dtype=np.float32)
    for row, color in enumerate(colors):
        for paper in papers:
            span = color - paper
            length = float(span @ span)
            if length < 50.0:
                continue
            t = (lab - paper) @ span / length
            off = np.linalg.norm(lab - paper - t[:, None] * span, axis=1)
            apart = np.linalg.norm(lab - color, axis=1)
            usable = (t > _LEAST_MIX) & (t < 1.35) & (off < _OFF_MIX)
            distance[row] = np.minimum(distance[row], np.where(usable, apart, np.inf))
    table = np.full(int(present[-1]) + 1, -1, dtype=np.int16)
    table[present] = np.where(np.isfinite(distance).any(axis=0), distance.argmin(axis=0), -1)
    return table[page.keys]


def legend_rows(page: Page, owner: NDArray[np.int16], count: int, repeats: Sequence[int] = ()) -> list[Row]:
    """Return the rows of the largest legend, in reading order; empty where fewer than two names agree.

    Args:
      owner: as `owners` returns.
      count: of colours.
      repeats: colours that several names may have: lines told apart by their dashes or markers.
    """
    height = page.text_height
    starts = _starts(page)[:_MOST_STARTS]
    rows = [row for start in starts for row in _keys_before(owner, count, start, height)]
    best: list[Row] = []
    for anchor in rows:
        if not anchor.is_clear:
            continue
        alike = [row for row in rows if _alike(anchor, row, height)]
        chosen = _one_each([anchor, *alike], repeats)
        if (len(chosen), sum(row.is_clear for row in chosen)) > (len(best), sum(row.is_clear for row in best)):
            best = chosen
    if sum(row.is_clear for row in best) < 2:
        return []
    best += _hidden_keys(owner, starts, best, repeats, height)
    best.sort(key=lambda row: (round(row.key.center_y / max(1.0, 0.8 * height)), row.key.x_min))
    return best


def _starts(page: Page) -> list[_Start]:
    """Return the words from each place on at which a name may begin, up to the end of its run."""
    height = page.text_height
    found = []
    for run in page.runs:
        for index, word in enumerate(run.words):
            before = run.words[index - 1] if index else None
            if not any(letter.isalnum() for letter in word.text):
                continue
            # The Q1 of "Q1 2015" is no key.
            follows = before is not None and word.box.x_min - before.box.x_max < height
            if before is not None and follows and (_letters(before) > 2 or date_parts(f"{before.text} {word.text}")):
                continue
            words = run.words[index:]
            # A name ends where the next key stands: words wide apart, or something that is no word.
            for end in range(1, len(words)):
                if words[end].box.x_min - words[end - 1].box.x_max > 1.3 * height or not _letters(words[end]):
                    words = words[:end]
                    break
            text = " ".join(member.text for member in words)
            if quantity(text) is None or parse_date(text) is not None:
                found.append(_Start(words, union(member.box for member in words)))
    return found


def _letters(word: Word) -> int:
    return sum(letter.isalnum() for letter in word.text)


def _keys_before(owner: NDArray[np.int16], count: int, start: _Start, height: float) -> list[Row]:
    """Return what may be the key of a name, at most one of each colour."""
    y, x = start.box.center_y, start.box.x_min
    top, bottom = max(0, round(y - _BAND * height)), round(y + _BAND * height) + 1
    left, right = max(0, round(x - _REACH * height)), round(x - 0.1 * height)
    band = owner[top:bottom, left:right]
    if band.shape[1] < 3 or not (band >= 0).any():
        return []
    found = []
    for color in np.unique(band[band >= 0]).tolist():
        columns = np.flatnonzero((band == color).any(axis=0))
        groups = np.split(columns, np.flatnonzero(np.diff(columns) > _DASH_GAP * height + 1) + 1)
        last = groups[-1]
        begin, end = left + int(last[0]), left + int(last[-1]) + 1
        gap, length = x - end, end - begin
        if not (_GAP[0] * height <= gap <= _GAP[1] * height and _KEY[0] * height <= length <= _KEY[1] * height):
            continue
        if begin - left < _DASH_GAP * height or len(last) < _LEAST_INK * length:
            continue
        rows = np.flatnonzero((owner[:, begin:end] == color)[top:bottom].any(axis=1))
        key = PixelBox(begin, top + int(rows[0]), end, top + int(rows[-1]) + 1)
        found.append(Row(color, start.words, start.box, key, _is_clear(owner, color, key, y, height)))
    return found


def _is_clear(owner: NDArray[np.int16], color: int, key: PixelBox, y: float, height: float) -> bool:
    if (
        owner[max(0, round(y - height)) : round(y + height), max(0, int(key.x_min - 0.5 * height)) : int(key.x_min)]
        == color
    ).any():
        return False  # a line that ends before its name
    columns = slice(int(key.x_min), int(key.x_max))
    near = max(_CLEAR[0] * height, key.height / 2 + 2)
    far = near + (_CLEAR[1] - _CLEAR[0]) * height
    for begin, end in ((y - far, y - near), (y + near, y + far)):
        part = owner[max(0, round(begin)) : max(0, round(end)) + 1, columns] == color
        if part.size and float(part.any(axis=0).mean()) > 0.15:
            return False
    return True


def _alike(anchor: Row, row: Row, height: float) -> bool:
    """Tell whether two keys have one size and distance, and stand in one column or one row."""
    if row is anchor or row.words == anchor.words:
        return False
    same = (
        abs(row.key.width - anchor.key.width) <= _SAME_SIZE * height + 1
        and abs((row.box.x_min - row.key.x_max) - (anchor.box.x_min - anchor.key.x_max)) <= _SAME_SIZE * height + 1
        and abs(row.box.height - anchor.box.height) < 0.7 * height
    )
    in_column = abs(row.key.x_min - anchor.key.x_min) <= _ALIGNED * height
    in_row = abs(row.box.center_y - anchor.box.center_y) <= _ALIGNED * height
    return same and (in_column or in_row)


def _one_each(rows: Sequence[Row], repeats: Sequence[int]) -> list[Row]:
    """Return rows such that each name and each colour that does not repeat has one, the clear ones first."""
    chosen: list[Row] = []
    colors: set[int] = set()
    for row in sorted(rows, key=lambda row: not row.is_clear):
        taken = any(row.box.overlap(other.box) > 0.3 for other in chosen)
        if not taken and (row.color not in colors or row.color in repeats):
            chosen.append(row)
            colors.add(row.color)
    return chosen


def _hidden_keys(
    owner: NDArray[np.int16], starts: Sequence[_Start], rows: Sequence[Row], repeats: Sequence[int], height: float
) -> list[Row]:
    """Return the names in line with the rows whose keys are partly hidden or joined with other marks."""
    gap = float(np.median([row.box.x_min - row.key.x_max for row in rows]))
    length = float(np.median([row.key.width for row in rows]))
    have = {row.color for row in rows}
    out: list[Row] = []
    for start in starts:
        if any(start.box.overlap(row.box) > 0.3 for row in [*rows, *out]):
            continue
        if not any(_in_line(start.box, row.box, height) for row in rows):
            continue
        y, end = start.box.center_y, round(start.box.x_min - gap)
        begin = max(0, round(end - length))
        top, bottom = max(0, round(y - _BAND * height)), round(y + _BAND * height) + 1
        band = owner[top:bottom, begin:end]
        inked = {
            color: float((band == color).any(axis=0).mean())
            for color in np.unique(band[band >= 0]).tolist()
            if color not in have or color in repeats
        }
        if inked and max(inked.values()) >= 0.5:
            color = max(inked, key=lambda index: inked[index])
            out.append(Row(color, start.words, start.box, PixelBox(begin, top, end, bottom), False))
            have.add(color)
    return out


def _in_line(box: PixelBox, other: PixelBox, height: float) -> bool:
    """Tell whether a name stands in the column or the row of another, not far from it."""
    x, y = abs(box.x_min - other.x_min), abs(box.center_y - other.center_y)
    return (x <= _ALIGNED * height and y < _FAR * height) or (y <= _ALIGNED * height and x < _FAR * height)
