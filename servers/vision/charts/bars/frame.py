"""Bars that stand and bars that lie, seen the same way: across the categories, along the values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servers.vision.geometry import PixelBox


@dataclass(frozen=True, slots=True)
class Frame:
    """Turns image coordinates into (across, along) and back: across counts categories, along measures values."""

    vertical: bool
    """Bars stand: across is x, along is y."""

    @property
    def growth(self) -> int:
        """Sign of the pixel step towards larger values: up is -1, right is 1."""
        return -1 if self.vertical else 1

    def turned(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return an image array as [along, across, ...]."""
        return pixels if self.vertical else np.swapaxes(pixels, 0, 1)

    def across(self, box: PixelBox) -> tuple[float, float]:
        """Return the box's extent over the categories."""
        return (box.x_min, box.x_max) if self.vertical else (box.y_min, box.y_max)

    def along(self, box: PixelBox) -> tuple[float, float]:
        """Return the box's extent over the values."""
        return (box.y_min, box.y_max) if self.vertical else (box.x_min, box.x_max)

    def box(self, across: tuple[float, float], along: tuple[float, float]) -> PixelBox:
        """Return the image box of extents in this frame."""
        a0, a1 = sorted(across)
        v0, v1 = sorted(along)
        return PixelBox(a0, v0, a1, v1) if self.vertical else PixelBox(v0, a0, v1, a1)
