"""Whether a picture is drawn, as charts are, or a photo or a texture: the cheap question before all others."""

from __future__ import annotations

import cv2
import numpy as np

from servers.vision.charts.picture.page import Mask, Rgb, color_keys

_FLAT_LEVELS = 14  # of 255: JPEG noise and dithering stay below, antialiased edges go above
_COLORS = 64
# Measured 2026-11-21: 110 charts 0.71 and more, 0.51 as JPEG of quality 15; noise, clouds and gradients under 0.02.
LEAST_DRAWN = 0.2


def flat_areas(rgb: Rgb) -> Mask:
    """Return the pixels whose neighbours have the same colour, bool [h, w]."""
    kernel = np.ones((3, 3), np.uint8)
    spread = cv2.subtract(cv2.dilate(rgb, kernel), cv2.erode(rgb, kernel)).max(axis=2)
    return np.asarray(spread <= _FLAT_LEVELS, dtype=bool)


def drawn_share(rgb: Rgb) -> float:
    """Return the share of the pixels, 0 to 1, that lie in flat areas of the 64 most frequent colours there.

    A sky is flat too, but of hundreds of colours; a drawing has few, whatever compression did to them.
    """
    counts = np.bincount(color_keys(rgb)[flat_areas(rgb)])
    if len(counts) > _COLORS:
        counts = np.partition(counts, len(counts) - _COLORS)[-_COLORS:]
    return float(counts.sum()) / float(rgb.shape[0] * rgb.shape[1])
