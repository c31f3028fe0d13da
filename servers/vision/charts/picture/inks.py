"""The distinct colours of a window: what is computed once per colour is spread over its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from servers.vision.charts.picture.page import Lab, Rgb, lab_of

Values = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Inks:
    """The colours of a window and which pixel has which."""

    lab: Values
    """[n, 3]: each colour, CIE L*a*b*."""
    owner: NDArray[np.int32]
    """[h, w]: index into lab."""

    def __len__(self) -> int:
        return len(self.lab)

    def distance_to(self, color: Values) -> Values:
        """Return each colour's difference to the given one, float32 [n]."""
        return np.asarray(np.linalg.norm(self.lab - color, axis=1), dtype=np.float32)

    def pixels(self) -> Lab:
        """Return the window's pixels, float32 [h, w, 3]."""
        return self.lab[self.owner]


def find_inks(rgb: Rgb) -> Inks:
    """Return the distinct colours of a window, uint8 [h, w, 3]."""
    wide = rgb.astype(np.int32)
    keys = (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
    is_present = np.zeros(1 << 24, dtype=bool)
    is_present[keys] = True
    present = np.flatnonzero(is_present)
    rank = np.zeros(1 << 24, dtype=np.int32)
    rank[present] = np.arange(len(present), dtype=np.int32)
    channels = np.stack([present >> 16, (present >> 8) & 255, present & 255], axis=1).astype(np.uint8)
    return Inks(lab_of(channels[None])[0], rank[keys])
