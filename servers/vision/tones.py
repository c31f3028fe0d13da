"""Whether a picture is in continuous tones, as photos, paintings and renderings are, or drawn in a few flat colours."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.picture.drawn import LEAST_DRAWN, drawn_share

# Measured 2026-11-21. Colours: three photos 574 and more; 84 charts 12 at most, 133 as JPEG of quality 40.
_MANY_COLORS = 250
# Grey photos have few colours. Slow change: portrait 0.86; the same charts 0.18 at most, 0.48 as JPEG of quality 40.
_LEAST_SLOW = 0.55
_STILL, _FAST = 3, 48  # of 255, across 3 x 3 pixels


def has_continuous_tones(rgb: NDArray[np.uint8]) -> bool:
    """Tell whether the picture, uint8 [h, w, 3], is in continuous tones."""
    return drawn_share(rgb) < LEAST_DRAWN or _colors(rgb) >= _MANY_COLORS or _slow_share(rgb) >= _LEAST_SLOW


def _colors(rgb: NDArray[np.uint8]) -> int:
    """Return how many colours at 5 bits a channel make up nine tenths of the pixels."""
    coarse = (rgb >> 3).astype(np.int32).reshape(-1, 3)
    counts = np.bincount((coarse[:, 0] << 10) | (coarse[:, 1] << 5) | coarse[:, 2])
    counts = np.sort(counts[counts > 0])[::-1]
    return int(np.searchsorted(np.cumsum(counts), 0.9 * counts.sum())) + 1


def _slow_share(rgb: NDArray[np.uint8]) -> float:
    """Return the share of the pixels around which the colour changes, and slowly."""
    smooth = cv2.GaussianBlur(rgb, (3, 3), 0)
    around = np.ones((3, 3), np.uint8)
    change = cv2.subtract(cv2.dilate(smooth, around), cv2.erode(smooth, around)).max(axis=2)
    return float(((change >= _STILL) & (change <= _FAST)).mean())
