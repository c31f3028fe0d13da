"""A word of a picture."""

from __future__ import annotations

from dataclasses import dataclass

from servers.vision.geometry import PixelBox


@dataclass(frozen=True, slots=True)
class Word:
    """A run of letters without a space; a number parted by narrow spaces ("12 345") is one."""

    text: str
    box: PixelBox
    """In the pixels of the image that was given."""
    confidence: float
    """The probability that the text is right, 0 to 1."""
    angle_deg: int = 0
    """How far the text is turned counter-clockwise, 0 to 359: 90 reads from bottom to top."""
