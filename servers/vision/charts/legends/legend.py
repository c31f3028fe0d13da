"""Legends: a small key in a mark's colour with words beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.legends.legend_rows import legend_rows, owners
from servers.vision.charts.picture.bounds import MOST_KEYS
from servers.vision.charts.picture.colors import PIXEL_OF_FILL, nearest_color, windows_of
from servers.vision.charts.picture.page import Mask, Page, TextRun, quantity
from servers.vision.dates import parse_date
from servers.vision.geometry import PixelBox, union
from servers.vision.text import Word

# In letter heights: keys of the plotting libraries and publishers are 0.5 to 1.8 high and up to 5 wide (a line sample).
_KEY_HEIGHT = (0.1, 2.0)
_KEY_WIDTH = 5.5
_KEY_GAP = 2.2
_WORD_GAP = 1.3
LABEL_COLOR = 22.0  # text is drawn thin, so its colour is mixed with the paper's


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """The name of one colour."""

    color: int
    """Index into the colours that were asked for."""
    name: str
    name_box: PixelBox
    key_box: PixelBox


def find_legend(
    page: Page, colors: Sequence[NDArray[np.float32]], papers: Sequence[NDArray[np.float32]]
) -> list[LegendEntry]:
    """Return at most one entry per colour, in reading order; only keys that line up with each other count.

    Args:
      colors: Lab colours of the marks.
      papers: Lab colours of paper and panels.
    """
    if not colors:
        return []
    patches: list[tuple[int, PixelBox, int]] = []
    owner = nearest_color(page, np.stack(list(colors)), limit=PIXEL_OF_FILL)
    for index, (color, place) in enumerate(zip(colors, windows_of(owner, len(colors)), strict=True)):
        if place is None:
            continue
        top, left = place[0].start, place[1].start
        mask = (owner[place] == index).astype(np.uint8)
        # Grey letters are many and sparse; a coloured line with a marker and error bars is sparse too.
        least = 0.18 if float(np.hypot(color[1], color[2])) > 20 else 0.4
        count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        parts = stats[1:count]
        w, h, area = parts[:, 2], parts[:, 3], parts[:, 4]
        tall = np.maximum(h, 2)
        small = (_KEY_HEIGHT[0] * page.text_height <= tall) & (tall <= _KEY_HEIGHT[1] * page.text_height + 2)
        wide = (0.5 * page.text_height <= w) & (w <= _KEY_WIDTH * page.text_height)
        patches += [
            (index, PixelBox(left + x, top + y, left + x + w, top + y + h), area)
            for x, y, w, h, area in parts[small & wide & (area >= np.maximum(6.0, least * w * h))].tolist()
        ]
    letters = _WordBoxes(page)
    candidates = [(index, key) for index, key, area in patches if not letters.hold(key, area)]
    if len(candidates) > MOST_KEYS:
        page.cuts.add("many_patches", f"{len(candidates)} patches look like keys of a legend; none was looked for")
        return []
    named = [
        (index, key, label) for index, key in candidates if (label := _words_beside(page, key, candidates)) is not None
    ]
    # A number beside a small patch is the value of a short bar, unless it is a year.
    named = [item for item in named if quantity(item[2].text) is None or parse_date(item[2].text) is not None]
    return _with_unread_names(page, _consistent(page, named, candidates), candidates)


def find_line_legend(
    page: Page,
    colors: Sequence[NDArray[np.float32]],
    papers: Sequence[NDArray[np.float32]],
    repeats: Sequence[int] = (),
) -> list[LegendEntry]:
    """Return the entries of a legend whose keys may be thin, dashed, crossed by data or of one colour.

    Args:
      repeats: indices of colours that several entries may have.
    """
    patches = find_legend(page, colors, papers)
    if not colors:
        return patches
    owner = owners(page, colors, papers)
    for run in page.runs:
        for word in run.words:
            if _letters(word) > 2:  # shorter ones may be keys, read as letters
                x0, y0, x1, y1 = (round(edge) for edge in word.box.clipped(page.width, page.height))
                owner[y0:y1, x0:x1] = -1
    rows = legend_rows(page, owner, len(colors), repeats)
    if len(rows) < max(2, len(patches)):
        return patches
    entries = []
    for row in rows:
        run = TextRun(row.words, row.box, " ".join(word.text for word in row.words).strip(" |_—-=•·@©®"))
        entries.append(LegendEntry(row.color, _clean(page, row.key, run), row.box, row.key))
    return entries


def _with_unread_names(
    page: Page, entries: list[LegendEntry], candidates: Sequence[tuple[int, PixelBox]]
) -> list[LegendEntry]:
    """Return the entries and those of keys in the same row or column whose words recognition of the image missed."""
    if not entries:
        return entries
    height = page.text_height
    tallest, have = max(entry.key_box.height for entry in entries), {entry.color for entry in entries}
    out = list(entries)
    for index, key in candidates:
        like = [
            entry
            for entry in entries
            if abs(entry.key_box.width - key.width) < 3
            and abs(entry.key_box.height - key.height) < 3
            and (abs(entry.key_box.x_min - key.x_min) < 3 or abs(entry.key_box.center_y - key.center_y) < 3)
        ]
        if index in have or not like:
            continue
        half = max(0.7 * height, tallest / 2 + 1)
        wide = max(entry.name_box.x_max - entry.key_box.x_max for entry in like) + height
        box = PixelBox(key.x_max + 2, key.center_y - half, key.x_max + 2 + wide, key.center_y + half)
        word = page.read_word(box)
        if word.confidence > 0.4 and any(character.isalnum() for character in word.text):
            out.append(LegendEntry(index, word.text.strip(" |_—-=•·"), box, key))
            have.add(index)
    out.sort(key=lambda entry: (round(entry.key_box.center_y / max(1.0, height)), entry.key_box.x_min))
    return out


class _WordBoxes:
    """The words of a page that patches are held against."""

    def __init__(self, page: Page) -> None:
        # A word without letters is the key itself, read as a bullet or an at sign.
        self._words = [word for run in page.runs for word in run.words if _letters(word)]
        self._boxes = np.array([word.box for word in self._words]).reshape(-1, 4)
        self._inset = 0.4 * page.text_height

    def hold(self, key: PixelBox, area: int) -> bool:
        """Tell whether the patch is a stroke of a letter: inside a word, or at its start without being solid."""
        boxes = self._boxes
        near = (boxes[:, 0] < key.x_max + 1) & (boxes[:, 2] > key.x_min - 1)
        near &= (boxes[:, 1] < key.y_max + 1) & (boxes[:, 3] > key.y_min - 1)
        for word in (self._words[index] for index in np.flatnonzero(near)):
            if _letters(word) <= 2 and word.box.intersection_area(key) > 0.5 * word.box.area:
                continue  # a line with its marker, read as a dash and a letter
            if word.box.grown(1, 1).overlap(key) > 0.6:
                inside = key.x_min > word.box.x_min + self._inset
                if inside or key.width < 0.6 * key.height or area < 0.62 * key.area:
                    return True
        return False


def _letters(word: Word) -> int:
    return sum(character.isalnum() for character in word.text)


def _words_beside(page: Page, key: PixelBox, keys: Sequence[tuple[int, PixelBox]]) -> TextRun | None:
    """Return the words to the right of a key, up to the next key."""
    height = page.text_height
    row = sorted(
        (
            word
            for run in page.runs
            for word in run.words
            if abs(word.box.center_y - key.center_y) < 0.75 * height and word.box.x_max > key.x_max + 0.3 * height
        ),
        key=lambda word: word.box.x_min,
    )
    if not row:
        return None
    stop = min(
        (
            other.x_min
            for _, other in keys
            if other.x_min > key.x_max + height and abs(other.center_y - key.center_y) < 0.7 * height
        ),
        default=float(page.width),
    )
    chosen: list[Word] = []
    edge = key.x_max
    for word in row:
        limit = (_KEY_GAP if not chosen else _WORD_GAP) * height
        if word.box.x_min - edge > limit or word.box.center_x >= stop:
            break
        if (
            word.box.x_min < key.x_min - 0.5 * height
            and not chosen
            and word.box.x_max - key.x_max < word.box.width * 0.5
        ):
            return None
        chosen.append(word)
        edge = word.box.x_max
    if not chosen:
        return None
    box = union(word.box for word in chosen)
    text = " ".join(word.text for word in chosen)
    if box.x_min < key.x_max + 0.1 * height:
        # Recognition took the key for a letter: read again what stands right of it.
        box = PixelBox(key.x_max + 1, box.y_min - 2, min(box.x_max + 2, stop), box.y_max + 2)
        text = page.read(box)
    text = text.strip(" |_—-=•·@©®")
    return TextRun(tuple(chosen), box, text) if any(character.isalnum() for character in text) else None


def _consistent(
    page: Page, named: Sequence[tuple[int, PixelBox, TextRun]], candidates: Sequence[tuple[int, PixelBox]]
) -> list[LegendEntry]:
    """Return the largest set of keys in one row, one column or one grid, each colour once."""
    height = page.text_height
    best: list[tuple[int, PixelBox, TextRun]] = []
    for _, anchor, _ in named:
        alike = [
            item
            for item in named
            if abs(item[1].width - anchor.width) <= 0.35 * height + 1
            and abs(item[1].height - anchor.height) <= 0.35 * height + 1
            and (
                abs(item[1].center_y - anchor.center_y) < 0.6 * height
                or abs(item[1].x_min - anchor.x_min) < 0.6 * height
            )
        ]
        unique: dict[int, tuple[int, PixelBox, TextRun]] = {}
        for item in alike:
            if item[0] not in unique or abs(item[1].center_y - anchor.center_y) < abs(
                unique[item[0]][1].center_y - anchor.center_y
            ):
                unique[item[0]] = item
        if len(unique) > len(best):
            best = list(unique.values())
    if best:
        # A legend of several rows and columns: keys aligned with any found key belong too.
        have = {index for index, _, _ in best}
        for item in named:
            near = any(
                abs(item[1].x_min - key.x_min) < 0.6 * height or abs(item[1].center_y - key.center_y) < 0.6 * height
                for _, key, _ in best
            )
            if item[0] not in have and near and abs(item[1].height - best[0][1].height) <= 0.35 * height + 1:
                best.append(item)
                have.add(item[0])
    # One key alone is often a letter or an icon in a mark's colour: it must stand clear of every word.
    if len(best) == 1 and _near_a_word(page, best[0][1]):
        return []
    if len(best) == 1 and len(best[0][2].text) < 2 and not _has_peers(best[0], candidates):
        return []
    best.sort(key=lambda item: (round(item[1].center_y / max(1.0, height)), item[1].x_min))
    return [LegendEntry(index, _clean(page, key, run), run.box, key) for index, key, run in best]


def _has_peers(item: tuple[int, PixelBox, TextRun], candidates: Sequence[tuple[int, PixelBox]]) -> bool:
    """Tell whether keys of other colours and the same size stand in the key's row or column."""
    index, key, _ = item
    return any(
        other != index
        and abs(box.width - key.width) < 3
        and abs(box.height - key.height) < 3
        and (abs(box.x_min - key.x_min) < 3 or abs(box.center_y - key.center_y) < 3)
        for other, box in candidates
    )


def _near_a_word(page: Page, key: PixelBox) -> bool:
    return any(word.box.grown(1, 1).intersection_area(key) > 0 for run in page.runs for word in run.words)


def _clean(page: Page, key: PixelBox, run: TextRun) -> str:
    """Return the name read again at a larger scale, which keeps dashes and short letters, if nothing got lost."""
    if len(run.text) <= 2 and run.confidence > 0.8:
        return run.text  # a lone letter reads better among its neighbours than alone
    box = PixelBox(max(key.x_max + 1, run.box.x_min - 3), run.box.y_min - 3, run.box.x_max + 3, run.box.y_max + 3)
    word = page.read_word(box)
    again = word.text.strip(" |_=•·@©®")
    letters = [sum(character.isalnum() for character in text) for text in (again, run.text)]
    better = letters[0] >= letters[1] and word.confidence >= run.confidence
    return again if better and again else run.text


def label_color(page: Page, box: PixelBox, papers: Sequence[NDArray[np.float32]]) -> NDArray[np.float32] | None:
    """Return the Lab colour of the letters in the box: the tenth of its pixels that differ most from the paper."""
    x0, y0, x1, y1 = (round(edge) for edge in box.clipped(page.width, page.height))
    patch = page.lab[y0:y1, x0:x1].reshape(-1, 3)
    if len(patch) < 8:
        return None
    away = np.min(np.stack([np.linalg.norm(patch - paper, axis=1) for paper in papers]), axis=0)
    strong = patch[away >= np.quantile(away, 0.92)]
    return np.asarray(np.median(strong, axis=0), dtype=np.float32)


def key_mask(page: Page, entries: Sequence[LegendEntry]) -> Mask:
    """Return where legends stand, bool [h, w]."""
    mask = np.zeros(page.rgb.shape[:2], dtype=bool)
    for entry in entries:
        for box in (entry.key_box, entry.name_box):
            x0, y0, x1, y1 = (round(edge) for edge in box.grown(2, 2).clipped(page.width, page.height))
            mask[y0:y1, x0:x1] = True
    return mask


def legend_mask(page: Page, entries: Sequence[LegendEntry]) -> Mask:
    """Return the rectangle of a legend that stands as one block, bool [h, w]: what is under it can't be seen."""
    mask = key_mask(page, entries)
    if len(entries) > 1:
        box = union(box for entry in entries for box in (entry.key_box, entry.name_box))
        x0, y0, x1, y1 = (round(edge) for edge in box.grown(2, 2).clipped(page.width, page.height))
        mask[y0:y1, x0:x1] = True
    return mask
