"""The flat colours that marks are filled with, told from paper, panels, grid and antialiased edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from servers.vision.charts.picture.bounds import MOST_FILLS
from servers.vision.charts.picture.drawn import flat_areas
from servers.vision.charts.picture.page import Mask, Page

# Colour differences in Lab (CIE 1976); 2.3 is just noticeable, 10 is plain (Mahy, Van Eycken & Oosterlinck 1994).
FROM_PAPER = 7.0
SAME_FILL = 9.0
PIXEL_OF_FILL = 14.0
# Panels seen: ggplot #E5E5E5, seaborn #EAEAF2, OECD #DEEAF5, Excel #C0C0C0; marks are stronger.
PANEL_LIGHTNESS = 28.0
PANEL_CHROMA = 15.0
_LEAST_PIECE = 0.004  # of the image: of a panel cut into pieces
_WELL_COVERED = 0.3  # of what its fullest row or column has
_MOST_PAPER, _LEAST_COVERED = 0.01, 0.1  # of the box around a panel's pieces; marks may cover the rest
_EDGE_PX, _EDGE, _STRAIGHT = 3.0, 0.05, 0.5  # of a panel's columns, that begin at its top
_LEAST_SHARE = 1.5e-4  # of the image: below, it is specks
# JPEG spreads a fill over shades: a rare one all around or within a frequent one is its noise.
_NOISE_SHARE, _NOISE_REACH_PX, _NOISE_BESIDE = 0.2, 2, 0.85


@dataclass(frozen=True, slots=True)
class Fill:
    """One colour that marks are filled with."""

    lab: NDArray[np.float32]
    rgb: tuple[int, int, int]
    pixels: int


@dataclass(frozen=True, slots=True)
class Palette:
    """The fills of an image and which pixel belongs to which."""

    fills: tuple[Fill, ...]
    labels: NDArray[np.int16]
    """[h, w]: index into fills, -1 for none."""
    papers: tuple[NDArray[np.float32], ...]
    """Lab colours of the paper and of panels behind the marks."""
    flat: Mask
    """[h, w]: pixels whose neighbours have the same colour."""

    def mask(self, index: int) -> Mask:
        """Return where a fill is, bool [h, w]."""
        return np.asarray(self.labels == index, dtype=bool)


def find_palette(page: Page) -> Palette:
    """Return the colours of the image's flat areas, the most frequent first, without paper and panels."""
    flat = flat_areas(page.rgb)
    papers = (page.background, *find_panels(page, flat))
    away = distance_from(page, papers)
    candidates = flat & (away > FROM_PAPER)
    centres = _cluster(page, candidates, least=max(12.0, _LEAST_SHARE * flat.size))
    centres = _without_noise(page, candidates, centres)
    if not centres:
        return Palette((), np.full(flat.shape, -1, np.int16), papers, flat)
    if len(centres) > MOST_FILLS:
        page.cuts.add("many_colors", f"of {len(centres)} colours only the {MOST_FILLS} most frequent were looked at")
        centres = sorted(centres, key=lambda item: -item[1])[:MOST_FILLS]
    stack = np.stack([centre for centre, _ in centres])
    labels = nearest_color(page, stack, limit=PIXEL_OF_FILL)
    labels[away < FROM_PAPER * 0.7] = -1
    fills = tuple(
        Fill(centre, _rgb_of(page, labels == index, candidates), count) for index, (centre, count) in enumerate(centres)
    )
    return Palette(fills, labels, papers, flat)


def find_panels(page: Page, flat: Mask) -> list[NDArray[np.float32]]:
    """Return colours of plot panels: nearly rectangular areas, wide and high, that are not the paper.

    A bar is never both half the image wide and a third high with three of its corners free; a panel is.
    """
    rgb = page.rgb
    keys = (rgb >> 2).astype(np.int64) @ np.array([1 << 12, 1 << 6, 1])
    counts = np.bincount(keys[flat].ravel())
    panels: list[NDArray[np.float32]] = []
    for key in np.argsort(counts)[::-1][:6]:
        if counts[key] < 0.06 * flat.size:
            break
        members = rgb[(keys == key) & flat]
        lab = _lab_of_color(np.median(members, axis=0))
        tint = lab - page.background
        if (
            np.linalg.norm(tint) < 2.0
            or abs(tint[0]) > PANEL_LIGHTNESS
            or float(np.hypot(lab[1], lab[2])) > PANEL_CHROMA
        ):
            continue
        near = (np.linalg.norm(page.lab - lab, axis=2) < 4.0).astype(np.uint8)
        # Close over gridlines, then open: edges of dark letters share the panel's grey and would stretch its box.
        near = cv2.morphologyEx(near, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)).astype(np.uint8)
        side = int(np.clip(page.text_height / 2, 3, 11)) | 1
        near = cv2.morphologyEx(near, cv2.MORPH_OPEN, np.ones((side, side), np.uint8)).astype(np.uint8)
        if _is_panel(page, near):
            panels.append(lab)
    return panels


def _is_panel(page: Page, near: NDArray[np.uint8]) -> bool:
    """Tell whether an area has a panel's shape, whole or cut into pieces by lines that cross it, without paper within.

    Args:
      near: uint8 [h, w], 1 on the area.
    """
    count, component, stats, _ = cv2.connectedComponentsWithStats(near, connectivity=4)
    if count < 2:
        return False
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    if _fills_corners(page, component == largest):
        return True
    sizeable = 1 + np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] > _LEAST_PIECE * near.size)
    pieces = np.isin(component, sizeable)
    if len(sizeable) < 2 or not _fills_corners(page, pieces):
        return False
    rows, columns = _extent(pieces, 1), _extent(pieces, 0)
    # Between bars the paper shows; between the pieces of a panel there are only lines.
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    side = max(7, round(0.7 * page.text_height))
    paper = (np.linalg.norm(page.lab[window] - page.background, axis=2) < 2.0).astype(np.uint8)
    paper = cv2.morphologyEx(paper, cv2.MORPH_OPEN, np.ones((side, side), np.uint8)).astype(np.uint8)
    return float(paper.mean()) < _MOST_PAPER and float(pieces[window].mean()) > _LEAST_COVERED


def _fills_corners(page: Page, area: Mask) -> bool:
    """Tell whether an area is wide and high and fills three corners of its box."""
    rows, columns = _extent(area, 1), _extent(area, 0)
    if not len(rows):
        return False
    top, bottom, left, right = int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])
    if right + 1 - left < 0.45 * page.width or bottom + 1 - top < 0.33 * page.height:
        return False
    inset = 4
    # A panel's upper edge is straight, that of an area is not, however many corners it fills.
    covered = area[:, left : right + 1]
    first = covered.argmax(axis=0)[covered.any(axis=0)]
    if float((np.abs(first - top) <= max(_EDGE_PX, _EDGE * (bottom - top))).mean()) < _STRAIGHT:
        return False
    corners = [(y, x) for y in (top + inset, bottom - inset) for x in (left + inset, right - inset)]
    return sum(bool(area[y, x]) for y, x in corners) >= 3


def _extent(area: Mask, axis: int) -> NDArray[np.int64]:
    """Return the rows (axis 1) or columns (axis 0) that an area covers well: letters may stretch it by a few."""
    share = area.mean(axis=axis)
    return np.flatnonzero((share > 0) & (share >= _WELL_COVERED * share.max()))


def distance_from(page: Page, colors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return each pixel's colour difference to the nearest of the colours, float32 [h, w], to the colour keys' step."""
    present, lab = page.distinct
    table = np.zeros(int(present[-1]) + 1, dtype=np.float32)
    table[present] = np.min(np.stack([np.linalg.norm(lab - color, axis=1) for color in colors]), axis=0)
    return table[page.keys]


def nearest_color(page: Page, colors: NDArray[np.float32], *, limit: float) -> NDArray[np.int16]:
    """Return the index of the nearest colour, -1 where none is within the limit, int16 [h, w]."""
    present, lab = page.distinct
    distances = np.stack([np.linalg.norm(lab - color, axis=1) for color in colors])
    table = np.full(int(present[-1]) + 1, -1, dtype=np.int16)
    table[present] = np.where(distances.min(axis=0) < limit, distances.argmin(axis=0), -1)
    return table[page.keys]


def windows_of(labels: NDArray[np.int16], count: int, *, margin: int = 0) -> list[tuple[slice, slice] | None]:
    """Return the (rows, columns) that hold each label from 0 to count - 1, None for one that does not occur.

    Windows begin at even pixels, so that connected components are numbered as in the whole image.
    """
    height, width = labels.shape
    windows: list[tuple[slice, slice] | None] = []
    for found in find_objects(labels.astype(np.int32) + 1, max_label=count):
        if found is None:
            windows.append(None)
            continue
        rows, columns = found
        windows.append(
            (
                slice(max(0, rows.start - margin) & ~1, min(height, rows.stop + margin)),
                slice(max(0, columns.start - margin) & ~1, min(width, columns.stop + margin)),
            )
        )
    return windows


def _cluster(page: Page, mask: Mask, *, least: float) -> list[tuple[NDArray[np.float32], int]]:
    """Return (Lab centre, pixel count), most frequent first: bins of 8 levels, each joined to the first near centre."""
    pixels = page.rgb[mask]
    if not len(pixels):
        return []
    keys = (pixels >> 3).astype(np.int64) @ np.array([1 << 10, 1 << 5, 1])
    counts = np.bincount(keys)
    lab = page.lab[mask]
    centres: list[tuple[NDArray[np.float32], int]] = []
    frequent = [key for key in np.argsort(counts)[::-1][:400] if counts[key] >= max(4.0, least / 8)]
    # Sorted once, the pixels of each bin stand together.
    chosen = np.flatnonzero(np.isin(keys, frequent))
    chosen = chosen[np.argsort(keys[chosen], kind="stable")]
    bounds = np.searchsorted(keys[chosen], [[key, key + 1] for key in frequent])
    for key, (begin, end) in zip(frequent, bounds, strict=True):
        color = np.median(lab[chosen[begin:end]], axis=0).astype(np.float32)
        for index, (centre, count) in enumerate(centres):
            if float(np.linalg.norm(centre - color)) < SAME_FILL:
                centres[index] = (centre, count + int(counts[key]))
                break
        else:
            centres.append((color, int(counts[key])))
    return [(centre, count) for centre, count in centres if count >= least]


def _without_noise(
    page: Page, mask: Mask, centres: list[tuple[NDArray[np.float32], int]]
) -> list[tuple[NDArray[np.float32], int]]:
    """Return the centres without shades that compression makes of a more frequent colour near by."""
    stack = np.stack([centre for centre, _ in centres]) if centres else np.empty((0, 3), np.float32)
    rivals = [
        (index, other)
        for index, (centre, count) in enumerate(centres)
        for other, (home, more) in enumerate(centres)
        if count < _NOISE_SHARE * more and float(np.linalg.norm(centre - home)) < PIXEL_OF_FILL
    ]
    if not rivals:
        return centres
    owner = np.where(mask, nearest_color(page, stack, limit=PIXEL_OF_FILL), -1)
    kernel = np.ones((2 * _NOISE_REACH_PX + 1,) * 2, np.uint8)
    noise = set()
    for index, home in rivals:
        own = owner == index
        reach = cv2.dilate((owner == home).astype(np.uint8), kernel).astype(bool)
        if own.any() and float(reach[own].mean()) >= _NOISE_BESIDE:
            noise.add(index)
    return [item for index, item in enumerate(centres) if index not in noise]


def _rgb_of(page: Page, mask: Mask, preferred: Mask) -> tuple[int, int, int]:
    pixels = page.rgb[mask & preferred]
    red, green, blue = (int(value) for value in np.median(pixels if len(pixels) else page.rgb[mask], axis=0))
    return red, green, blue


def _lab_of_color(color: NDArray[np.float64]) -> NDArray[np.float32]:
    pixel = (color / 255.0).astype(np.float32).reshape(1, 1, 3)
    return np.asarray(cv2.cvtColor(pixel, cv2.COLOR_RGB2LAB)[0, 0], dtype=np.float32)
