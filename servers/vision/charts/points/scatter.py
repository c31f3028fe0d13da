"""Scattered points: many small marks of one size and colour, full or hollow, none joined by a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.lines.courses import best_path, column_runs
from servers.vision.charts.lines.markers import fill_rings
from servers.vision.charts.lines.stroke_colors import Color, Thin
from servers.vision.geometry import PixelBox

_LEAST_POINTS = 4
_MOST_PIECES = 3000
_LARGEST = 2.4  # letter heights
_LEAST_AREA = 5
_WHOLE = 0.5  # least share of a colour's ink in the plot that its points hold
_SIZES = (0.3, 8.0)  # areas of a piece, in typical areas: from a cut point to a cluster
_ONE = 1.3  # typical areas up to which a piece is one point
_BUBBLES = 1.9  # ratio of the quartiles of single areas from which sizes mean something
_INSIDE = 0.9  # of a point's shape that lies on ink
_LEAST_GAIN = 0.22  # of a point's shape that no other point explains
_MOST_IN_PIECE = 40
_SQUARE, _COMPACT = 1.7, 0.65  # width to height, and how many points stay within
_UNEVEN = 3.0  # ratio of the quartiles of areas that points of one size do not reach
_LETTER_STEP = 1.4
_IN_ROWS = 0.5
_JOINED = 0.8  # of the points on one course
_JOINING = 0.3  # of the course between points that is inked


@dataclass(frozen=True, slots=True)
class Blob:
    """One point, its centre and extent."""

    x: float
    y: float
    box: PixelBox
    is_certain: bool = True
    """It stands alone; points that touch are told apart by fitting."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """The points of one colour."""

    color: Color
    blobs: tuple[Blob, ...]
    sized: bool
    """Their areas differ by more than drawing does."""
    coverage: NDArray[np.float32]
    """[h, w] of the plot: their ink."""


def find_cloud(thin: Thin, color: Color, others: Sequence[Color]) -> Cloud | None:
    """Return the points of a colour in the plot, or None where its ink is not mostly small marks of one size."""
    ink = thin.coverage(color, others, deeper=True)
    mask = (fill_rings(ink, thin.page.text_height) > 0.45).astype(np.uint8)
    _, labels, table, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    pieces, stats = np.asarray(labels, dtype=np.int32), np.asarray(table, dtype=np.int32)
    largest = _LARGEST * thin.page.text_height
    areas = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    extents = stats[:, 2:4].max(axis=1)
    usable = np.flatnonzero(areas >= _LEAST_AREA)[1:]
    if not _LEAST_POINTS <= len(usable) <= _MOST_PIECES:
        return None
    single = usable[extents[usable] <= largest]
    if len(single) < _LEAST_POINTS:
        return None
    typical = float(np.median(areas[single]))
    kept = usable[(areas[usable] >= _SIZES[0] * typical) & (areas[usable] <= _SIZES[1] * typical)]
    if areas[kept].sum() < _WHOLE * areas[1:].sum() or len(kept) < _LEAST_POINTS:
        return None
    low, high = np.quantile(areas[single], [0.25, 0.75])
    sized = len(single) >= 8 and high > _BUBBLES * low and _are_round(pieces, stats, single)
    square = stats[single, 2] / np.maximum(stats[single, 3], 1)
    compact = float(((square > 1 / _SQUARE) & (square < _SQUARE)).mean())
    if compact < _COMPACT or (high > _UNEVEN * low and not sized):
        return None  # pieces of a line
    shape = None if sized else _typical_shape(pieces, stats, single, areas, typical)
    blobs: list[Blob] = []
    for part in kept.tolist():
        x, y, w, h = (int(value) for value in stats[part, :4])
        window = (pieces[y : y + h, x : x + w] == part).astype(np.uint8)
        origin = (x + thin.x0, y + thin.y0)
        if shape is None or areas[part] < _ONE * typical:
            blobs += _by_depth(window, origin) if sized else [_whole(window, origin, True)]
        else:
            blobs += _fitted(window, shape, origin)
    if _is_lettering(blobs) or _are_joined(ink, blobs, thin) or _is_course(ink, blobs, thin):
        return None
    return Cloud(color, tuple(blobs), bool(sized), ink)


def _whole(window: NDArray[np.uint8], origin: tuple[int, int], certain: bool) -> Blob:
    rows, columns = np.nonzero(window)
    x0, y0 = origin
    h, w = window.shape
    box = PixelBox(x0, y0, x0 + w, y0 + h)
    return Blob(float(columns.mean()) + 0.5 + x0, float(rows.mean()) + 0.5 + y0, box, certain)


def _are_round(pieces: NDArray[np.int32], stats: NDArray[np.int32], parts: NDArray[np.int64]) -> bool:
    """Tell whether most pieces are discs: as full as pi / 4 of a square box."""
    size = np.maximum(stats[parts, 2] * stats[parts, 3], 1)
    full = stats[parts, cv2.CC_STAT_AREA] / size
    square = stats[parts, 2] / np.maximum(stats[parts, 3], 1)
    return float(((full > 0.68) & (full < 0.9) & (square > 0.75) & (square < 1.33)).mean()) > 0.5


def _typical_shape(
    pieces: NDArray[np.int32],
    stats: NDArray[np.int32],
    parts: NDArray[np.int64],
    areas: NDArray[np.float64],
    typical: float,
) -> NDArray[np.uint8]:
    """Return the single piece whose area is nearest to the typical, uint8 [h, w]."""
    part = int(parts[np.argmin(np.abs(areas[parts] - typical))])
    x, y, w, h = (int(value) for value in stats[part, :4])
    return np.asarray(pieces[y : y + h, x : x + w] == part, dtype=np.uint8)


def _fitted(window: NDArray[np.uint8], shape: NDArray[np.uint8], origin: tuple[int, int]) -> list[Blob]:
    """Return the points that explain a piece: each in turn where the typical shape covers most of what is left."""
    h, w = shape.shape
    padded = np.pad(window, ((h, h), (w, w))).astype(np.float32)
    kernel = shape.astype(np.float32) / float(shape.sum())
    # Borders of zero so that a shape may stand at the very edge; anchors at the shape's corner.
    inside = cv2.filter2D(padded, -1, kernel, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    left = padded.copy()
    found: list[Blob] = []
    for _ in range(_MOST_IN_PIECE):
        gain = cv2.filter2D(left, -1, kernel, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
        gain[inside < _INSIDE] = 0.0
        best = float(gain.max())
        if best < _LEAST_GAIN:
            break
        rows, columns = np.nonzero(gain >= best - 1e-4)
        row, column = int(rows[len(rows) // 2]), int(columns[len(rows) // 2])
        left[row : row + h, column : column + w][shape > 0] = 0.0
        x, y = column - w + origin[0], row - h + origin[1]
        found.append(Blob(x + w / 2, y + h / 2, PixelBox(x, y, x + w, y + h), False))
    return found or [_whole(window, origin, False)]


def _by_depth(window: NDArray[np.uint8], origin: tuple[int, int]) -> list[Blob]:
    """Return the discs of any size in a piece, by peaks of the distance to its edge."""
    inner = cv2.distanceTransform(np.pad(window, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    peaks = ((inner >= cv2.dilate(inner, np.ones((7, 7), np.uint8)) - 0.1) & (inner > 1.5)).astype(np.uint8)
    _, _, _, centers = cv2.connectedComponentsWithStats(peaks, connectivity=8)
    found: list[tuple[float, float, float]] = []
    places = [(float(inner[round(y), round(x)]), float(x), float(y)) for x, y in centers[1:]]
    for radius, x, y in sorted(places, reverse=True):
        if all(np.hypot(x - a, y - b) > 0.8 * max(r, radius) for r, a, b in found):
            found.append((radius, x, y))
    if len(found) < 2:
        return [_whole(window, origin, True)]
    x0, y0 = origin[0] + 0.5, origin[1] + 0.5
    return [
        Blob(x + x0, y + y0, PixelBox(x + x0 - r, y + y0 - r, x + x0 + r, y + y0 + r), False)
        for r, x, y in found[:_MOST_IN_PIECE]
    ]


def _is_lettering(blobs: Sequence[Blob]) -> bool:
    """Tell whether the points stand side by side in rows, as letters do."""
    x = np.array([blob.x for blob in blobs])
    foot = np.array([blob.box.y_max for blob in blobs])
    size = float(np.median([max(blob.box.width, blob.box.height) for blob in blobs]))
    aside, off = np.abs(x[:, None] - x[None, :]), np.abs(foot[:, None] - foot[None, :])
    beside = (aside < _LETTER_STEP * size) & (aside > 0.3 * size) & (off < 1.5)
    return float(beside.any(axis=1).mean()) > _IN_ROWS


def _path(ink: NDArray[np.float32], width: float) -> NDArray[np.float64] | None:
    runs = column_runs(ink)
    path = best_path(runs, width) if runs is not None else None
    if runs is None or path is None:
        return None
    return np.array([np.nan if at is None else here[at][0] for here, at in zip(runs, path, strict=True)])


def _are_joined(ink: NDArray[np.float32], blobs: Sequence[Blob], thin: Thin) -> bool:
    """Tell whether the points lie on one course with ink between them: the markers of a line."""
    size = float(np.median([blob.box.width for blob in blobs]))
    y = _path(ink, max(2.0, 0.4 * size))
    if y is None:
        return False
    between = np.ones(len(y), dtype=bool)
    on = 0
    for blob in blobs:
        column = min(max(round(blob.x - thin.x0 - 0.5), 0), len(y) - 1)
        on += bool(abs(y[column] - (blob.y - thin.y0)) <= max(2.0, 0.4 * size))
        between[max(0, round(column - size / 2 - 1)) : round(column + size / 2 + 2)] = False
    first, last = min(blob.x for blob in blobs) - thin.x0, max(blob.x for blob in blobs) - thin.x0
    between[: max(0, round(first))] = False
    between[round(last) :] = False
    if on < _JOINED * len(blobs) or not between.any():
        return False
    return float(np.isfinite(y[between]).mean()) > _JOINING


def _is_course(ink: NDArray[np.float32], blobs: Sequence[Blob], thin: Thin) -> bool:
    """Tell whether the points are the dashes of a line: close behind each other on one course that bends little."""
    y = _path(ink, 2.0)
    if y is None:
        return False
    known = np.flatnonzero(np.isfinite(y))
    reach = known[-1] - known[0] + 1
    columns = [min(max(round(blob.x - thin.x0 - 0.5), 0), len(y) - 1) for blob in blobs]
    on = sum(bool(abs(y[column] - (blob.y - thin.y0)) <= 2.5) for column, blob in zip(columns, blobs, strict=True))
    rough = float(np.median(np.abs(np.diff(y[known])))) if len(known) > 8 else np.inf
    return on > _JOINED * len(blobs) and len(known) > 0.35 * reach and rough < 1.5 and len(blobs) > 6
