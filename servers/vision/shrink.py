"""An image as a model is shown it: upright, no larger than it can use, and small enough for one message."""

from __future__ import annotations

import math
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_MOST_BYTES = 3 * 2**20
"""Of an image inside a message of `loupe.router.v1`."""
_JPEG_QUALITY = 90


def shrunk(rgb: NDArray[np.uint8], max_pixels: int) -> bytes:
    """Return the image, uint8 [h, w, 3], as PNG of at most so many pixels; as JPEG where the PNG is over 3 MiB."""
    height, width = rgb.shape[:2]
    picture = Image.fromarray(rgb)
    factor = math.sqrt(max_pixels / (width * height))
    if factor < 1:
        size = (max(1, int(width * factor)), max(1, int(height * factor)))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    data = BytesIO()
    picture.save(data, "PNG")
    if data.tell() > _MOST_BYTES:
        data = BytesIO()
        picture.save(data, "JPEG", quality=_JPEG_QUALITY)
    return data.getvalue()
