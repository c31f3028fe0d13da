"""Category labels: the words under standing bars and beside lying ones, several lines and slants joined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from servers.vision.charts.axes.slanted_text import slanted_runs
from servers.vision.charts.picture.page import Page, TextRun, group_words, quantity
from servers.vision.geometry import PixelBox, union
from servers.vision.text import Word

_FIRST_LINE_WITHIN = 4.5  # letter heights between the axis and the first line of labels
_LINE_GAP = 0.95
_GROUPS_WITHIN = 2.5  # letter heights from the labels to the names of their groups
_MOST_REREADS = 24  # about 6 ms each, twice
_INK = 25.0
_SIZE_ONLY = frozenset("cjosuvwxz")
_WRAPPED_WIDTH = 0.5  # a label that goes on in a second line fills at least half of its place


@dataclass(frozen=True, slots=True)
class CategoryLabel:
    """The name of one place along the category axis."""

    text: str
    box: PixelBox | None
    """None where nothing is printed."""


_NONE = CategoryLabel("", None)


def labels_below(
    page: Page,
    centers: Sequence[float],
    bottom: float,
    *,
    exclude: Sequence[PixelBox] = (),
    spacing: float | None = None,
) -> list[CategoryLabel]:
    """Return the labels under the places at these x, level or turned; empty ones where nothing is found.

    Args:
      centers: pixels, increasing.
      bottom: y of the axis.
      exclude: boxes of legends and other text that names no category.
      spacing: pixels between places; the median distance of the centers when None.
    """
    height = page.text_height
    if spacing is None:
        spacing = float(np.median(np.diff(centers))) if len(centers) > 1 else page.width / 2
    words = [
        word
        for run in page.runs
        for word in run.words
        if bottom - 0.5 * height <= word.box.center_y
        and word.box.y_min >= bottom - 0.8 * height
        and centers[0] - 0.9 * spacing <= word.box.center_x <= centers[-1] + 0.9 * spacing
        and not any(box.overlap(word.box) > 0.5 for box in exclude)
        and any(character.isalnum() for character in word.text)
    ]
    found = _level_labels(words, centers, bottom, spacing, height)
    named = sum(bool(label.text) for label in found)
    if named * 2 < len(centers):
        turned = _turned_labels(page, centers, bottom, spacing, exclude)
        if sum(bool(label.text) for label in turned) > named:
            found = turned
    return like_cased(_with_groups(page, _missing_read(page, found, centers, bottom, spacing), centers, exclude))


def _level_labels(
    words: Sequence[Word], centers: Sequence[float], bottom: float, spacing: float, height: float
) -> list[CategoryLabel]:
    lines = _lines(words, height)
    places: list[list[Word]] = [[] for _ in centers]
    started = False
    edge = bottom
    for line in lines:
        top = min(word.box.y_min for word in line)
        if not started and top - bottom > _FIRST_LINE_WITHIN * height:
            break
        if started and top - edge > _LINE_GAP * height:
            break
        assigned = _assign(line, centers, spacing)
        filled = [index for index, words_here in enumerate(assigned) if words_here]
        if not started:
            if len(filled) * 2 < len(centers) and not (len(centers) <= 2 and filled):
                continue
            started = True
        elif len(filled) * 2 < len(centers):
            # A line for a few places only continues long labels; else it is the axis title.
            for index in list(filled):
                wide = union(word.box for word in places[index]).width if places[index] else 0.0
                if wide < _WRAPPED_WIDTH * spacing:
                    filled.remove(index)
            if not filled:
                break
        for index in filled:
            places[index] += assigned[index]
        edge = max(word.box.y_max for word in line)
    return [_label(words_here) for words_here in places]


def _with_groups(
    page: Page, labels: Sequence[CategoryLabel], centers: Sequence[float], exclude: Sequence[PixelBox]
) -> list[CategoryLabel]:
    """Return labels that repeat (quarters, months) with the name of their group set below them: "Q1 2019".

    A group's name stands under its middle; each place belongs to the nearest name.
    """
    texts = [label.text for label in labels if label.text]
    boxes = [label.box for label in labels if label.box is not None]
    if len(set(texts)) * 1.5 > len(texts) or not boxes:
        return list(labels)
    foot = max(box.y_max for box in boxes)
    below = [
        run
        for run in page.runs
        if foot - 0.3 * page.text_height <= run.box.y_min <= foot + _GROUPS_WITHIN * page.text_height
        and centers[0] <= run.box.center_x <= centers[-1]
        and not any(box.overlap(run.box) > 0.5 for box in (*exclude, *boxes))
    ]
    row = [
        run for run in below if abs(run.box.center_y - min(other.box.center_y for other in below)) < page.text_height
    ]
    # As many names as the labels repeat, or recognition has missed one.
    if len(row) < 2 or len(row) != max(texts.count(text) for text in texts):
        return list(labels)
    middles = np.array([run.box.center_x for run in row])
    return [
        CategoryLabel(f"{label.text} {row[int(np.argmin(np.abs(middles - x)))].text}", label.box)
        if label.text
        else label
        for label, x in zip(labels, centers, strict=True)
    ]


def _missing_read(
    page: Page, found: Sequence[CategoryLabel], centers: Sequence[float], bottom: float, spacing: float
) -> list[CategoryLabel]:
    """Return the labels with the missing ones read again where ink stands, level or upwards, whichever reads better."""
    # Lone letters turned upwards pass for other letters (B for ee, Z for N): then all are compared both ways.
    doubtful = all(len(label.text) <= 2 for label in found)
    boxes = {
        index: box
        for index, label in enumerate(found)
        if (doubtful or not label.text) and (box := _ink_below(page, centers[index], bottom, spacing)) is not None
    }
    if not boxes or len(boxes) > _MOST_REREADS:
        return list(found)
    readings = {}
    for upwards in (False, True):
        words = {index: page.read_word(box.grown(2, 2), upwards=upwards) for index, box in boxes.items()}
        readings[upwards] = (float(np.mean([word.confidence for word in words.values()])), words)
    is_turned = readings[True][0] > readings[False][0]
    out = list(found)
    for index, word in readings[is_turned][1].items():
        text = word.text.strip(" |_—")
        if out[index].text and not is_turned:
            continue  # read well enough among its neighbours
        if word.confidence > 0.4 and any(character.isalnum() for character in text):
            out[index] = CategoryLabel(text, boxes[index])
    return out


def _ink_below(page: Page, center: float, bottom: float, spacing: float) -> PixelBox | None:
    """Return the box of the lettering under a place: the first ink that is not a tick mark, up to a gap."""
    height = page.text_height
    half = min(0.5 * spacing - 1, 8 * height)
    x0, x1 = max(0, round(center - half)), min(page.width, round(center + half))
    y0, y1 = round(bottom + 2), min(page.height, round(bottom + 12 * height))
    if x1 - x0 < 4 or y1 - y0 < 4:
        return None
    ink = (np.linalg.norm(page.lab[y0:y1, x0:x1] - page.background, axis=2) > _INK).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    letters = [
        PixelBox(float(x), float(y), float(x + w), float(y + h))
        for x, y, w, h, area in (tuple(int(v) for v in row) for row in stats[1:count])
        if area >= 4 and not (y <= 1 and (w <= 2 or h <= 2)) and w < 0.98 * (x1 - x0)
    ]
    letters.sort(key=lambda box: box.y_min)
    chosen: list[PixelBox] = []
    for letter in letters:
        if not chosen and letter.y_min > 2.5 * height:
            return None
        if chosen and letter.y_min - max(box.y_max for box in chosen) > 0.5 * height:
            break
        chosen.append(letter)
    if not chosen:
        return None
    box = union(chosen)
    return PixelBox(box.x_min + x0, box.y_min + y0, box.x_max + x0, box.y_max + y0)


def like_cased(labels: Sequence[CategoryLabel]) -> list[CategoryLabel]:
    """Return the labels with a first letter that differs only in size (c, C) capital where the others' are."""
    first = [label.text[0] for label in labels if label.text]
    capitals = sum(letter.isupper() for letter in first)
    out = []
    for label in labels:
        alike = label.text[:1] in _SIZE_ONLY and capitals > 0.6 * (len(first) - 1)
        out.append(CategoryLabel(label.text[0].upper() + label.text[1:], label.box) if alike else label)
    return out


def _lines(words: Sequence[Word], height: float) -> list[list[Word]]:
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda word: word.box.center_y):
        if lines and word.box.center_y - float(np.median([w.box.center_y for w in lines[-1]])) < 0.6 * height:
            lines[-1].append(word)
        else:
            lines.append([word])
    return lines


def _assign(line: Sequence[Word], centers: Sequence[float], spacing: float) -> list[list[Word]]:
    """Return the line's words by place: a run goes where its middle is, unless it spans several places."""
    places: list[list[Word]] = [[] for _ in centers]
    array = np.asarray(centers)
    for run in group_words(line):
        pieces = [list(run.words)] if run.box.width <= 1.15 * spacing else [[word] for word in run.words]
        for piece in pieces:
            middle = union(word.box for word in piece).center_x
            index = int(np.argmin(np.abs(array - middle)))
            if abs(array[index] - middle) <= 0.6 * spacing:
                places[index] += piece
    return places


def _label(words: Sequence[Word]) -> CategoryLabel:
    if not words:
        return _NONE
    text = " ".join(word.text for word in words).strip(" |_—")
    return CategoryLabel(text, union(word.box for word in words)) if text else _NONE


def labels_beside(
    page: Page, spans: Sequence[tuple[float, float]], lefts: Sequence[float], *, exclude: Sequence[PixelBox] = ()
) -> list[CategoryLabel]:
    """Return the labels left of lying bars.

    Args:
      spans: (top, bottom) of each place, in order.
      lefts: x where each place's bars begin.
    """
    height = page.text_height
    centers = np.array([(lo + hi) / 2 for lo, hi in spans])
    spacing = float(np.median(np.diff(centers))) if len(centers) > 1 else max(4 * height, spans[0][1] - spans[0][0])
    places: list[list[TextRun]] = [[] for _ in spans]
    for run in page.runs:
        words = [
            word for word in run.words if word.box.center_x < lefts[int(np.argmin(np.abs(centers - run.box.center_y)))]
        ]
        if not words or any(box.overlap(run.box) > 0.5 for box in exclude):
            continue
        index = int(np.argmin(np.abs(centers - run.box.center_y)))
        box = union(word.box for word in words)
        if box.x_max > lefts[index] + 0.4 * height or abs(centers[index] - box.center_y) > 0.5 * spacing + 0.1 * height:
            continue
        text = " ".join(word.text for word in words)
        if any(character.isalnum() for character in text):
            places[index].append(TextRun(tuple(words), box, text))
    return [_label([word for run in _column(runs, height) for word in run.words]) for runs in places]


def _column(runs: Sequence[TextRun], height: float) -> list[TextRun]:
    """Return the runs that make the label, top to bottom: the first of each line, numbers only where alone."""
    worded = [run for run in runs if quantity(run.text) is None]
    chosen: list[TextRun] = []
    for run in sorted(worded or list(runs), key=lambda run: (run.box.center_y, run.box.x_min)):
        twin = next((other for other in chosen if abs(other.box.center_y - run.box.center_y) < 0.6 * height), None)
        if twin is None:
            chosen.append(run)
        elif run.box.x_min < twin.box.x_min:
            chosen[chosen.index(twin)] = run
    years = [
        run
        for run in runs
        if run not in chosen and worded and any(abs(run.box.center_x - c.box.center_x) < 2 * height for c in chosen)
    ]
    return sorted([*chosen, *years], key=lambda run: run.box.center_y)


def _turned_labels(
    page: Page, centers: Sequence[float], bottom: float, spacing: float, exclude: Sequence[PixelBox]
) -> list[CategoryLabel]:
    """Return labels printed at an angle, each at the place where it ends or, if that fits better, has its middle."""
    height = page.text_height
    words = [
        word
        for word in page.turned
        if word.box.y_max > bottom - 0.5 * height
        and word.box.y_min > bottom - 3 * height
        and centers[0] - 1.5 * spacing - word.box.width
        <= word.box.center_x
        <= centers[-1] + 1.5 * spacing + word.box.width
        and not any(box.overlap(word.box) > 0.5 for box in exclude)
    ]
    pieces = slanted_runs(words, height)
    if not pieces:
        return [_NONE] * len(centers)
    array = np.asarray(centers)
    best: tuple[float, list[CategoryLabel]] | None = None
    for anchor in ("end", "middle"):
        labels: list[CategoryLabel] = [_NONE] * len(centers)
        distance = [math.inf] * len(centers)
        total = 0.0
        for text, box, angle in pieces:
            x = box.center_x
            if anchor == "end" and not 80 <= angle % 180 <= 100:
                # The upper end points at the tick: right for text that rises, left for text that falls.
                x = box.x_max if angle % 180 < 90 else box.x_min
            index = int(np.argmin(np.abs(array - x)))
            off = abs(float(array[index]) - x)
            total += min(off, spacing)
            if off < min(distance[index], 0.75 * spacing):
                labels[index], distance[index] = CategoryLabel(text, box), off
        key = sum(not label.text for label in labels) * spacing + total
        if best is None or key < best[0]:
            best = (key, labels)
    return best[1] if best else [_NONE] * len(centers)
