"""Which legend entry names which line: by colour, and among lines of one colour by dashes and markers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from servers.vision.charts.legends.legend import LegendEntry
from servers.vision.charts.lines.markers import likeness, stamp
from servers.vision.charts.lines.strokes import STAMP_SIDE, Stroke
from servers.vision.charts.picture.page import Page
from servers.vision.geometry import PixelBox

_INKED = 0.35
_MARKER_WEIGHT = 1.5
_DASH_WEIGHT = 6.0
_MARKER_TALL = 1.6  # thicknesses of the line
_FEWEST_KNOWN = 8  # pixels of a key
_FIRST = 4  # pixels by which a line's first may be off its beginning


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
    """Return how unlike a key and a line are: dashes that match nowhere, and markers of another shape."""
    middle = share.shape[0] // 2
    row = share[max(0, middle - 2) : middle + 3].max(axis=0) > _INKED
    inked = np.flatnonzero(row)
    if not len(inked):
        return 5.0
    columns = slice(int(inked[0]), int(inked[-1]) + 1)
    tall = _heights(share[:, columns] > _INKED)
    apart = _DASH_WEIGHT * mismatch(row[columns], tall <= _MARKER_TALL * stroke.width + 1.5, stroke)
    key = stamp(share, share.shape[1] / 2, share.shape[0] / 2, STAMP_SIDE * height)
    if stroke.shape is not None and key is not None:
        apart += _MARKER_WEIGHT * (1.0 - likeness(key, stroke.shape))
    elif stroke.shape is not None:
        apart += _MARKER_WEIGHT
    return apart


def _heights(ink: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how far the ink of each column reaches from its first to its last row."""
    rows = np.arange(ink.shape[0])[:, None]
    first = np.where(ink, rows, ink.shape[0]).min(axis=0)
    last = np.where(ink, rows, -1).max(axis=0)
    return np.asarray(np.maximum(last - first + 1, 0), dtype=np.int64)


def mismatch(key: NDArray[np.bool_], known: NDArray[np.bool_], stroke: Stroke) -> float:
    """Return the share of a key's pixels that differ from the line's, where along it they differ least, 0 to 1.

    Args:
      key: bool [n], ink along the key.
      known: bool [n], False where a marker hides the dashes.
    Half of it counts at the line's beginning: dashes of a line and of its key begin alike.
    """
    line, seen = _unrolled(stroke)
    count = len(key)
    if len(line) < count or known.sum() < _FEWEST_KNOWN:
        return 0.5
    windows = np.lib.stride_tricks.sliding_window_view(line, count)
    clear = np.lib.stride_tricks.sliding_window_view(seen, count) & known
    differ = ((windows != key) & clear).sum(axis=1)
    usable = clear.sum(axis=1)
    share = np.where(usable >= 0.6 * known.sum(), differ / np.maximum(usable, 1), 1.0)
    return 0.5 * float(share.min()) + 0.5 * float(share[:_FIRST].min())


def _unrolled(stroke: Stroke) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return (where a line has ink, where no marker hides it), bool [m], pixel by pixel along the line."""
    known = np.flatnonzero(np.isfinite(stroke.y))
    y = np.interp(np.arange(len(stroke.y)), known, stroke.y[known])
    along = np.r_[0.0, np.cumsum(np.minimum(np.hypot(1.0, np.diff(y)), 8.0))]
    columns = np.clip(np.searchsorted(along, np.arange(int(along[-1]) + 1)), 0, len(y) - 1)
    inked = np.isfinite(stroke.low)[columns]
    seen = np.ones(len(columns), dtype=bool)
    tall = (stroke.high - stroke.low)[columns]
    for x, _ in stroke.markers:
        near = np.abs(columns + stroke.x0 + 0.5 - x) <= np.nanmax(tall, initial=stroke.width)
        seen &= ~(near & (tall > _MARKER_TALL * stroke.width + 1.5)) & ~(np.abs(columns + stroke.x0 + 0.5 - x) <= 3.0)
    return inked, seen


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
