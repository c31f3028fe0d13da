"""Scattered points: many small blobs of one size per fill, none joined by a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.colors import Palette
from servers.vision.charts.page import Mask, Page
from servers.vision.geometry import PixelBox

_LEAST_POINTS = 4
_LARGEST = 2.2  # letter heights
_WHOLE = 0.85  # share of the fill's pixels in the plot that its blobs hold


@dataclass(frozen=True, slots=True)
class Blob:
    """One point, its centre and extent."""

    fill: int
    x: float
    y: float
    box: PixelBox


def find_blobs(page: Page, palette: Palette, box: PixelBox, fills: Sequence[int], *, hide: Mask) -> list[Blob]:
    """Return the points in the plot, or nothing where a fill's pixels are not mostly small blobs of one size.

    Args:
      fills: those that may be marks.
      hide: pixels of words and legends, bool [h, w].
    """
    x0, y0, x1, y1 = (round(edge) for edge in box)
    found: list[Blob] = []
    for fill in fills:
        mask = ((palette.labels[y0:y1, x0:x1] == fill) & ~hide[y0:y1, x0:x1]).astype(np.uint8)
        count, component, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        parts = [part for part in range(1, count) if stats[part, cv2.CC_STAT_AREA] >= 9]
        if len(parts) < _LEAST_POINTS:
            continue
        areas = np.array([stats[part, cv2.CC_STAT_AREA] for part in parts])
        typical = float(np.median(areas))
        small = [part for part, area in zip(parts, areas, strict=True) if 0.35 * typical <= area <= 6 * typical]
        extent = np.median([max(stats[part, 2], stats[part, 3]) for part in small])
        held = float(sum(stats[part, cv2.CC_STAT_AREA] for part in small)) / float(mask.sum())
        if extent > _LARGEST * page.text_height or held < _WHOLE or len(small) < _LEAST_POINTS:
            continue
        for part in small:
            x, y, w, h, area = (int(value) for value in stats[part])
            window = (component[y : y + h, x : x + w] == part).astype(np.uint8)
            for cx, cy in _centres(window, area, typical):
                half = float(extent) / 2
                found.append(
                    Blob(
                        fill,
                        x0 + x + cx,
                        y0 + y + cy,
                        PixelBox(x0 + x + cx - half, y0 + y + cy - half, x0 + x + cx + half, y0 + y + cy + half),
                    )
                )
    return found


def _centres(window: NDArray[np.uint8], area: int, typical: float) -> list[tuple[float, float]]:
    """Return the centre of a blob, or of the several that touch in it, by peaks of the distance to its edge."""
    rows, columns = np.nonzero(window)
    if area < 1.45 * typical:
        return [(float(columns.mean()) + 0.5, float(rows.mean()) + 0.5)]
    inner = cv2.distanceTransform(np.pad(window, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    radius = float(np.sqrt(typical / np.pi))
    size = max(3, int(radius) | 1)
    peaks = (inner >= cv2.dilate(inner, np.ones((size, size), np.uint8)) - 1e-3) & (inner > 0.6 * radius)
    _, _, stats, centers = cv2.connectedComponentsWithStats(peaks.astype(np.uint8), connectivity=8)
    found: list[tuple[float, float]] = []
    for center, stat in zip(centers[1:], stats[1:], strict=True):
        point = (float(center[0]) + 0.5, float(center[1]) + 0.5)
        if stat[cv2.CC_STAT_AREA] and all(np.hypot(point[0] - a, point[1] - b) > 0.6 * radius for a, b in found):
            found.append(point)
    return found or [(float(columns.mean()) + 0.5, float(rows.mean()) + 0.5)]
