"""Places along x that only have names: level labels, and turned ones that point at the data with an end or middle."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np

from servers.vision.charts.axes.slanted_text import end_of, turned_runs
from servers.vision.charts.axes.time_places import BEND_PX, Place
from servers.vision.charts.picture.page import Page, TextRun, group_words, make_run
from servers.vision.geometry import PixelBox, union

_LABELS_WITHIN = 4.0  # letter heights below the plot
_REGULAR = 0.12  # of the spacing: how far a place may be off its regular position
_FEWEST_SLANTED = 3


def slanted_places(page: Page, plot: PixelBox, bends: Sequence[float], exclude: Sequence[PixelBox]) -> list[Place]:
    """Return the turned labels below a plot at the data they point at, left to right; none where they are few.

    Args:
      bends: pixels where the courses bend, their ends included, which say what a label points with.
    """
    height = page.text_height
    pieces = [
        piece
        for piece in turned_runs(page)
        if plot.y_max - height <= piece[1].y_min <= plot.y_max + _LABELS_WITHIN * height
        and any(character.isalnum() for character in piece[0])
        and not any(box.overlap(piece[1]) > 0.5 for box in exclude)
    ]
    if len(pieces) < _FEWEST_SLANTED:
        return []
    anchored = []
    for at_end in (True, False):
        found = sorted((end_of(box, angle) if at_end else box.center_x, text, box) for text, box, angle in pieces)
        xs = np.array([x for x, _, _ in found])
        off = np.array(bends)[:, None] - xs[None, :] if bends else np.zeros((1, len(xs)))
        nearest = off[np.arange(len(off)), np.abs(off).argmin(axis=1)]
        shift = float(np.median(nearest))
        strayed = float(np.mean(np.abs(nearest - shift) > BEND_PX))
        anchored.append((round(strayed, 1), abs(shift), shift, found))
    strayed, _, shift, found = min(anchored, key=lambda item: item[:2])
    spacing = float(np.median(np.diff([x for x, _, _ in found])))
    shift = shift if strayed <= 0.5 and abs(shift) < 0.5 * spacing else 0.0
    return [Place(text, x + shift, box, None) for x, text, box in found]


def level_places(page: Page, plot: PixelBox, exclude: Sequence[PixelBox]) -> list[Place]:
    """Return the labels of the first row of words below a plot, those of further rows joined to them."""
    height = page.text_height
    words = [
        word
        for run in page.runs
        for word in run.words
        if plot.y_max - 0.6 * height <= word.box.y_min <= plot.y_max + _LABELS_WITHIN * height
        and plot.x_min - 3 * height <= word.box.center_x <= plot.x_max + 3 * height
        and not any(box.overlap(word.box) > 0.5 for box in exclude)
        and any(character.isalnum() for character in word.text)
    ]
    if not words:
        return []
    rows: list[list[TextRun]] = []
    for run in sorted(group_words(words), key=lambda run: run.box.center_y):
        if rows and abs(run.box.center_y - float(np.median([r.box.center_y for r in rows[-1]]))) < 0.6 * height:
            rows[-1].append(run)
        else:
            rows.append([run])
    start = next((k for k, row in enumerate(rows) if sum(len(_pieces(run)) for run in row) >= 2), None)
    if start is None:
        return []
    first = [piece for run in rows[start] for piece in _pieces(run)]
    places = [[run] for run in sorted(first, key=lambda run: run.box.x_min)]
    bottom = max(run.box.y_max for run in first)
    for row in rows[start + 1 :]:
        if min(run.box.y_min for run in row) - bottom > 0.9 * height or len(row) < 2:
            break
        centers = np.array([union(run.box for run in place).center_x for place in places])
        for run in row:
            nearest = int(np.argmin(np.abs(centers - run.box.center_x)))
            if abs(centers[nearest] - run.box.center_x) < 2.5 * height:
                places[nearest].append(run)
        bottom = max(run.box.y_max for run in row)
    found = []
    for place in places:
        box = union(run.box for run in place)
        text = " ".join(run.text for run in place).strip(" |_—")
        found.append(Place(text, box.center_x, box, None))
    return found


def _pieces(run: TextRun) -> list[TextRun]:
    """Return a run's words apart where all have one shape, such as "2001/02": labels that stand close."""
    shapes = {re.sub(r"\d", "9", word.text) for word in run.words}
    alike = len(run.words) >= 3 and len(shapes) == 1 and "9" in next(iter(shapes))
    return [make_run([word]) for word in run.words] if alike else [run]


def completed(page: Page, places: Sequence[Place], marker_xs: Sequence[float]) -> list[Place]:
    """Return the places with those put back that evenly spaced labels leave out, read again at a larger scale."""
    xs = np.array([place.x for place in places])
    if len(xs) < 3:
        return list(places)
    step = float(np.median(np.diff(xs)))
    out = [places[0]]
    boxes = [place.box for place in places if place.box is not None]
    top, bottom = min(box.y_min for box in boxes), max(box.y_max for box in boxes)
    before = [float(xs[0] - step)] if any(abs(x - (xs[0] - step)) < _REGULAR * step for x in marker_xs) else []
    after = [float(xs[-1] + step)] if any(abs(x - (xs[-1] + step)) < _REGULAR * step for x in marker_xs) else []
    if before and (read := _read(page, before[0], step, top, bottom)):
        out.insert(0, read)
    for left, right in itertools.pairwise(places):
        holes = round((right.x - left.x) / step) - 1
        if 0 < holes <= 3 and abs((right.x - left.x) / step - holes - 1) < 2 * _REGULAR:
            for k in range(holes):
                read = _read(page, left.x + (k + 1) * (right.x - left.x) / (holes + 1), step, top, bottom)
                if read is not None:
                    out.append(read)
        out.append(right)
    if after and (read := _read(page, after[0], step, top, bottom)):
        out.append(read)
    return out


def _read(page: Page, x: float, step: float, top: float, bottom: float) -> Place | None:
    box = PixelBox(x - 0.5 * step + 1, top - 2, x + 0.5 * step - 1, bottom + 2)
    text = page.read(box).strip(" |_—")
    return Place(text, x, box, None) if any(character.isalnum() for character in text) else None
