"""Which legend entry names which line: by colour, and among lines of one colour by dashes and markers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from servers.vision.charts.legends.legend import LegendEntry
from servers.vision.charts.lines.dashes import Pattern, pattern_of
from servers.vision.charts.lines.markers import likeness, stamp
from servers.vision.charts.lines.strokes import STAMP_SIDE, Stroke
from servers.vision.charts.picture.page import Page
from servers.vision.geometry import PixelBox

_INKED = 0.35
_MARKER_WEIGHT = 1.5


def bind(
    page: Page, strokes: Sequence[Stroke], legend: Sequence[LegendEntry], papers: Sequence[NDArray[np.float32]]
) -> list[LegendEntry]:
    """Return the entries with `color` the index of the stroke each names; those that name none are left out."""
    bound: list[LegendEntry] = []
    legend = _one_each(legend, strokes, papers)
    for color in sorted({entry.color for entry in legend}):
        entries = [entry for entry in legend if entry.color == color]
        places = [index for index, stroke in enumerate(strokes) if stroke.color == color]
        if not places:
            continue
        cost = np.zeros((len(entries), len(places)))
        if len(entries) > 1 or len(places) > 1:
            for row, entry in enumerate(entries):
                share = _ink(page, entry, strokes[places[0]].lab, papers)
                for column, place in enumerate(places):
                    cost[row, column] = _unlikeness(share, entry, strokes[place], page.text_height)
        for row, column in zip(*linear_sum_assignment(cost), strict=True):
            entry = entries[row]
            bound.append(LegendEntry(places[column], entry.name, entry.name_box, entry.key_box))
    order = [entry.name_box for entry in legend]
    return sorted(bound, key=lambda entry: order.index(entry.name_box))


def _one_each(
    legend: Sequence[LegendEntry], strokes: Sequence[Stroke], papers: Sequence[NDArray[np.float32]]
) -> list[LegendEntry]:
    """Return the entries, of those with one name the one whose colour is the strongest: the others are its edges."""
    away = {stroke.color: min(float(np.linalg.norm(stroke.lab - paper)) for paper in papers) for stroke in strokes}
    best: dict[PixelBox, LegendEntry] = {}
    for entry in legend:
        known = best.get(entry.name_box)
        if known is None or away.get(entry.color, 0.0) > away.get(known.color, 0.0):
            best[entry.name_box] = entry
    return list(best.values())


def _ink(
    page: Page, entry: LegendEntry, color: NDArray[np.float32], papers: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return the ink around a key, float32 [h, w], 0 to 1: the square of its marker, as wide as the key."""
    box = _around(page, entry)
    x0, y0, x1, y1 = (round(edge) for edge in box)
    lab = page.lab[y0:y1, x0:x1]
    paper = min(papers, key=lambda one: float(np.median(np.linalg.norm(lab - one, axis=2))))
    span = color - paper
    return np.asarray(np.clip((lab - paper) @ span / max(float(span @ span), 1.0), 0.0, 1.0), dtype=np.float32)


def _around(page: Page, entry: LegendEntry) -> PixelBox:
    half = STAMP_SIDE * page.text_height / 2 + 2
    key = entry.key_box
    return PixelBox(
        min(key.x_min - 2, key.center_x - half),
        key.center_y - half,
        max(key.x_max + 2, key.center_x + half),
        key.center_y + half,
    ).clipped(page.width, page.height)


def _unlikeness(share: NDArray[np.float32], entry: LegendEntry, stroke: Stroke, height: float) -> float:
    middle = share.shape[0] // 2
    row = share[max(0, middle - 2) : middle + 3].max(axis=0) > _INKED
    inked = np.flatnonzero(row)
    if not len(inked):
        return 5.0
    row = row[inked[0] : inked[-1] + 1]
    pattern: Pattern = pattern_of(row, np.ones(len(row)), ends=True)
    apart = pattern.distance_to(stroke.pattern)
    key = stamp(share, share.shape[1] / 2, share.shape[0] / 2, STAMP_SIDE * height)
    if stroke.shape is not None and key is not None:
        apart += _MARKER_WEIGHT * (1.0 - likeness(key, stroke.shape))
    elif stroke.shape is not None:
        apart += _MARKER_WEIGHT
    return apart


def best_key(
    page: Page,
    entries: Sequence[LegendEntry],
    color: NDArray[np.float32],
    papers: Sequence[NDArray[np.float32]],
    coverage: NDArray[np.float32],
    places: Sequence[tuple[float, float]],
) -> list[int]:
    """Return for each mark the entry whose key has the most similar shape, by index.

    Args:
      coverage: float32 [h, w], the ink of the marks.
      places: (x, y) of the marks in it.
    """
    side = STAMP_SIDE * page.text_height
    keys = []
    for entry in entries:
        share = _ink(page, entry, color, papers)
        keys.append(stamp(share, share.shape[1] / 2, share.shape[0] / 2, side))
    padded = np.pad(coverage, int(side))
    found = []
    for x, y in places:
        mark = stamp(padded, x + int(side), y + int(side), side)
        alike = [likeness(mark, key) if mark is not None and key is not None else -1.0 for key in keys]
        found.append(int(np.argmax(alike)))
    return found
