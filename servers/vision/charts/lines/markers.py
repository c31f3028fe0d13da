"""Markers on lines: blobs clearly thicker than the line, hollow ones filled, and the shape they share."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_MOST_RINGS = 600
_LARGEST_RING = 1.5  # letter heights
STAMP_PX = 24
"""Side of the square on which marker shapes are compared."""


def fill_rings(coverage: NDArray[np.float32], text_height: float) -> NDArray[np.float32]:
    """Return the coverage with the insides of hollow markers covered: small round holes closed by ink.

    Args:
      coverage: float32 [h, w], 0 to 1.
    """
    mask = (coverage > 0.5).astype(np.uint8)
    contours, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return coverage
    filled = coverage
    largest = _LARGEST_RING * text_height
    holes = [contour for contour, link in zip(contours, tree[0], strict=True) if link[3] >= 0]
    for contour in holes[:_MOST_RINGS]:
        _, _, w, h = cv2.boundingRect(contour)
        if not (3 < w <= largest + 2 and 3 < h <= largest + 2) or not 0.6 < w / h < 1.7:
            continue
        # The contour of a hole runs on the ink around it: a disc fills 0.785 of its box, a diamond a half.
        if cv2.contourArea(contour) < 0.45 * (w - 1) * (h - 1):
            continue
        if filled is coverage:
            filled = coverage.copy()
        cv2.drawContours(filled, [contour], -1, 1.0, thickness=-1)
    return filled


def find_markers(mask: NDArray[np.uint8], width: float) -> list[tuple[float, float]]:
    """Return the centres (x, y) of blobs clearly thicker than a line, left to right, pixel centres at .5.

    Args:
      mask: uint8 [h, w], 1 on ink.
      width: thickness of the line, pixels.
    """
    inner = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    thick = (inner > max(1.25 * width / 2 + 0.6, 2.0)).astype(np.uint8)
    count, _, stats, centers = cv2.connectedComponentsWithStats(thick, connectivity=8)
    largest = 6 * width + 12
    return sorted(
        (float(centers[part][0]) + 0.5, float(centers[part][1]) + 0.5)
        for part in range(1, count)
        if max(stats[part, cv2.CC_STAT_WIDTH], stats[part, cv2.CC_STAT_HEIGHT]) < largest
    )


def stamp(image: NDArray[np.float32], x: float, y: float, side: float) -> NDArray[np.float32] | None:
    """Return the square around a point, scaled to STAMP_PX, or None where it leaves the image.

    Args:
      image: float32 [h, w].
      side: of the square, pixels.
    """
    height, width = image.shape
    half = side / 2
    if not (half <= x <= width - half and half <= y <= height - half):
        return None
    patch = cv2.getRectSubPix(image, (round(side), round(side)), (x - 0.5, y - 0.5))
    return np.asarray(cv2.resize(patch, (STAMP_PX, STAMP_PX), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def mean_stamp(
    image: NDArray[np.float32], places: list[tuple[float, float]], side: float
) -> NDArray[np.float32] | None:
    """Return the median square around the places, which keeps the markers' shape without what crosses them."""
    stamps = [found for x, y in places[:60] if (found := stamp(image, x, y, side)) is not None]
    return np.asarray(np.median(np.stack(stamps), axis=0), dtype=np.float32) if stamps else None


def likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the correlation of two stamps, -1 to 1."""
    a, b = one - one.mean(), other - other.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 0 else 0.0
