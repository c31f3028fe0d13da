"""What an engine of the vision server does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from loupe.type.v1.engine_pb2 import EngineStatus
from loupe.type.v1.figure_pb2 import Figure
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse


class VisionEngine(Protocol):
    """Reads figures from the bytes of an image.

    Not promised: that the same bytes give the same answer; only the builtin engine promises that.
    """

    async def start(self) -> None:
        """Load what reading needs.

        Raises:
          NotReady: something has to be installed first; the message says what.
        """
        ...

    async def analyze(self, image: bytes) -> AnalyzeImageResponse:
        """Return what the image shows.

        Raises:
          EmptyFile, UnsupportedMediaType, DamagedMedia, TooManyPixels, TooLarge: the bytes are no usable image.
          Overloaded: every place is taken.
        Cancelling frees the place.
        """
        ...

    async def overlay(self, image: bytes, figures: Sequence[Figure]) -> bytes:
        """Return a PNG of the image with the evidence of the figures drawn on it. Raises as `analyze`."""
        ...

    async def status(self) -> EngineStatus:
        """Return what the engine is and how it is."""
        ...

    async def close(self) -> None:
        """Release everything."""
        ...
