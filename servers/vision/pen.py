"""Draws boxes, lines and small letters on a picture; what lies outside the picture is left out."""

from __future__ import annotations

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
        left, top = round(box.x_min), round(box.y_min)
        right, bottom = max(left, round(box.x_max) - 1), max(top, round(box.y_max) - 1)
        self._draw.rectangle((left, top, right, bottom), outline=colour, width=width)

    def fill(self, box: PixelBox, colour: Rgb, edge: Rgb) -> None:
        """Fill a box, with an edge that shows it on its own colour too."""
        left, top = round(box.x_min), round(box.y_min)
        right, bottom = max(left, round(box.x_max) - 1), max(top, round(box.y_max) - 1)
        self._draw.rectangle((left, top, right, bottom), fill=colour, outline=edge)

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: Rgb, width: int = 1) -> None:
        """Draw a line."""
        self._draw.line((x0, y0, x1, y1), colour, width)

    def text(self, x: float, y: float, text: str, colour: Rgb) -> None:
        """Write from a top left corner, moved inward where the picture ends."""
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
