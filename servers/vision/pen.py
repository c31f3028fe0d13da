"""Draws boxes, lines and small letters on a picture; what lies outside the picture is left out."""

from __future__ import annotations

import math

from PIL import Image, ImageDraw, ImageFont

from servers.vision.geometry import PixelBox

Rgb = tuple[int, int, int]

LETTER_PX = 10
_LINE_PX = 13
_PAPER: Rgb = (255, 255, 255)


class Pen:
    """Draws on one picture."""

    def __init__(self, picture: Image.Image) -> None:
        self._draw = ImageDraw.Draw(picture)
        self._font = ImageFont.load_default(LETTER_PX)
        self.width_px, self.height_px = picture.size

    def box(self, box: PixelBox, colour: Rgb, width: int = 1) -> None:
        """Outline a half-open box on its own outermost pixels."""
        if corners := self._corners(box):
            self._draw.rectangle(corners, outline=colour, width=width)

    def fill(self, box: PixelBox, colour: Rgb, edge: Rgb) -> None:
        """Fill a box, with an edge that shows it on its own colour too."""
        if corners := self._corners(box):
            self._draw.rectangle(corners, fill=colour, outline=edge)

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: Rgb, width: int = 1) -> None:
        """Draw a line."""
        ends = PixelBox(x0, y0, x1, y1)
        if all(map(math.isfinite, ends)):
            self._draw.line(self._near(ends), colour, width)

    def text(self, x: float, y: float, text: str, colour: Rgb) -> None:
        """Write from a top left corner, moved inward where the picture ends."""
        if not (math.isfinite(x) and math.isfinite(y)):
            return
        width, height = self.size_of([text])
        at = (max(0.0, min(x, self.width_px - width)), max(0.0, min(y, self.height_px - height)))
        self._draw.text(at, text, colour, self._font)

    def lines(self, x: float, y: float, lines: list[str], colour: Rgb) -> None:
        """Write lines on white paper."""
        width, height = self.size_of(lines)
        self._draw.rectangle((x, y, x + width, y + height), fill=_PAPER)
        for index, text in enumerate(lines):
            self._draw.text((x + 1, y + index * _LINE_PX), text, colour, self._font)

    def size_of(self, lines: list[str]) -> tuple[float, float]:
        """Return how wide and high lines of text are."""
        return max((self._font.getlength(text) for text in lines), default=0.0) + 2, _LINE_PX * len(lines)

    def _corners(self, box: PixelBox) -> tuple[int, int, int, int] | None:
        if not all(map(math.isfinite, box)):
            return None
        near = self._near(box)
        left, top = round(near.x_min), round(near.y_min)
        return left, top, max(left, round(near.x_max) - 1), max(top, round(near.y_max) - 1)

    def _near(self, box: PixelBox) -> PixelBox:
        """Return the box with nothing further out than a picture's size, which is as far as pixels can be counted."""
        wide, high = self.width_px, self.height_px
        xs = [min(max(x, -wide), 2 * wide) for x in (box.x_min, box.x_max)]
        ys = [min(max(y, -high), 2 * high) for y in (box.y_min, box.y_max)]
        return PixelBox(xs[0], ys[0], xs[1], ys[1])
