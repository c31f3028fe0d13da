"""Reads the tables of an image: the one entrance of this package."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from loupe.type.v1.figure_pb2 import Figure
from servers.vision.geometry import PixelBox
from servers.vision.text import Word


def read_tables(rgb: NDArray[np.uint8], words: Sequence[Word], taken: Sequence[PixelBox]) -> list[Figure]:
    """Return the image's tables."""
    return []
