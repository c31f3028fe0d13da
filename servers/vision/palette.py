"""The colours of an image, most frequent first, each as it stands in the image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_MOST_SIDE_PX = 256
_MOST_COLORS = 8
_LEAST_SHARE = 0.01
# Two colours nearer than this in CIELAB (CIE76) are one to a person who is not comparing them side by side.
_ONE_COLOR = 12.0
# Basic colour terms of English (Berlin & Kay 1969) and teal, in sRGB.
_NAMES = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (214, 39, 40),
    "orange": (255, 127, 14),
    "yellow": (240, 220, 60),
    "green": (44, 160, 44),
    "teal": (23, 160, 160),
    "blue": (31, 100, 200),
    "purple": (130, 80, 180),
    "pink": (230, 120, 190),
    "brown": (140, 86, 60),
}


@dataclass(frozen=True, slots=True)
class Shade:
    """One colour of an image."""

    rgb: tuple[int, int, int]
    share: float
    """Of the pixels, 0 to 1."""


def color_name(rgb: tuple[int, int, int]) -> str:
    """Return the basic colour term nearest to a colour in CIELAB."""
    lab = _lab(np.array([*_NAMES.values(), rgb], np.uint8))
    return list(_NAMES)[int(np.linalg.norm(lab[:-1] - lab[-1], axis=1).argmin())]


def find_shades(rgb: NDArray[np.uint8]) -> list[Shade]:
    """Return the colours that cover at least 1 % of the image, uint8 [h, w, 3], at most eight.

    Sampled without mixing neighbours, so that a drawing's colours come back as they are.
    """
    height, width = rgb.shape[:2]
    step = max(1, -(-max(height, width) // _MOST_SIDE_PX))
    pixels = rgb[step // 2 :: step, step // 2 :: step].reshape(-1, 3)
    coarse = (pixels >> 3).astype(np.int32)
    _, first, of, counts = np.unique(
        (coarse[:, 0] << 10) | (coarse[:, 1] << 5) | coarse[:, 2],
        return_index=True,
        return_inverse=True,
        return_counts=True,
    )
    lab = _lab(pixels[first])
    left = np.ones(len(first), np.bool_)
    shades: list[Shade] = []
    while left.any() and len(shades) < _MOST_COLORS:
        peak = int(np.where(left, counts, 0).argmax())
        group = left & (np.linalg.norm(lab - lab[peak], axis=1) < _ONE_COLOR)
        left &= ~group
        share = float(counts[group].sum()) / len(pixels)
        color = np.median(pixels[of == peak], axis=0).round().astype(int).tolist()
        if share >= _LEAST_SHARE:
            shades.append(Shade((color[0], color[1], color[2]), share))
    return sorted(shades, key=lambda shade: -shade.share)


def _lab(colors: NDArray[np.uint8]) -> NDArray[np.float32]:
    scaled = colors[None].astype(np.float32) / 255
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_RGB2LAB)[0], np.float32)
