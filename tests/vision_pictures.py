"""Pictures with known content for the vision tests."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Rgb = NDArray[np.uint8]


@cache
def font(size_px: int, name: str = "DejaVuSans") -> ImageFont.FreeTypeFont:
    """One of the fonts that matplotlib brings along, so that every machine draws the same letters."""
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf" / f"{name}.ttf", size_px)


def text_picture(
    items: Sequence[tuple[float, float, str]],
    *,
    size: tuple[int, int] = (400, 200),
    size_px: int = 16,
    ink: str = "black",
    paper: str = "white",
    name: str = "DejaVuSans",
) -> Rgb:
    """Texts at their top-left corners."""
    picture = Image.new("RGB", size, paper)
    draw = ImageDraw.Draw(picture)
    for x, y, text in items:
        draw.text((x, y), text, ink, font(size_px, name))
    return np.asarray(picture)


def table_picture(
    rows: Sequence[Sequence[str]],
    *,
    widths: Sequence[int],
    row_px: int = 28,
    size_px: int = 15,
    ruled: bool = False,
    right: Sequence[int] = (),
    spans: Mapping[tuple[int, int], tuple[int, int]] | None = None,
    head_rule: bool = True,
) -> Rgb:
    """A table drawn cell by cell; `spans` gives (rows, columns) of the cells that take more than one place.

    A text at a place that a span covers is not drawn. Columns in `right` are set to the right.
    """
    spans = spans or {}
    margin = 20
    left = [margin + sum(widths[:column]) for column in range(len(widths) + 1)]
    top = [margin + row_px * row for row in range(len(rows) + 1)]
    picture = Image.new("RGB", (left[-1] + margin, top[-1] + margin), "white")
    draw = ImageDraw.Draw(picture)
    covered = {
        (row + dr, column + dc)
        for (row, column), (down, across) in spans.items()
        for dr in range(down)
        for dc in range(across)
        if (dr, dc) != (0, 0)
    }
    for row, cells in enumerate(rows):
        for column, text in enumerate(cells):
            if (row, column) in covered:
                continue
            down, across = spans.get((row, column), (1, 1))
            x0, x1, y0, y1 = left[column], left[column + across], top[row], top[row + down]
            if ruled:
                draw.rectangle((x0, y0, x1, y1), outline="black")
            length = font(size_px).getlength(text)
            x = x1 - 6 - length if column in right else x0 + 6
            if across > 1:
                x = (x0 + x1 - length) / 2
            draw.text((x, (y0 + y1) / 2), text, "black", font(size_px), anchor="lm")
    if head_rule and not ruled:
        draw.line((left[0], top[1], left[-1], top[1]), "black")
    return np.asarray(picture)


def encoded(rgb: Rgb, kind: str = "PNG", **options: object) -> bytes:
    """The picture as a file."""
    data = io.BytesIO()
    Image.fromarray(rgb).save(data, kind, **options)
    return data.getvalue()
