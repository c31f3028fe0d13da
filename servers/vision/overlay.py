"""The evidence of figures drawn on the image they were read from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from loupe.type.v1.figure_pb2 import (
    ORIGIN_GUESSED,
    ORIGIN_INTERPOLATED,
    ORIGIN_PRINTED,
    Axis,
    Chart,
    Figure,
    Origin,
    Table,
    Value,
)
from servers.vision.geometry import PixelBox, box_of
from servers.vision.rescale import rescale

Rgb = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Okabe and Ito's palette, told apart by colour-blind eyes too.
COLOURS: dict[Origin.ValueType, Rgb] = {
    ORIGIN_PRINTED: (0, 158, 115),
    ORIGIN_INTERPOLATED: (0, 114, 178),
    ORIGIN_GUESSED: (213, 94, 0),
}
FRAME: Rgb = (204, 121, 167)
AXIS: Rgb = (120, 120, 120)
_LABEL_PX = 10
_SURE = 0.8
_TICK_PX = 4
_LARGEST_PX = 8_000_000


def draw_overlay(rgb: NDArray[np.uint8], figures: Iterable[Figure]) -> bytes:
    """Return the image, uint8 [h, w, 3], as PNG with a box around everything that was read.

    Green is printed, blue is measured against an axis, orange is guessed; a doubtful value has a thinner box. Figures
    are framed in pink. The picture is faded a little, so that evidence stands out; a very large one is made smaller.
    """
    height, width = rgb.shape[:2]
    shrink = math.sqrt(_LARGEST_PX / max(_LARGEST_PX, width * height))
    if shrink < 1:
        size = (max(1, int(width * shrink)), max(1, int(height * shrink)))
        rgb = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX))
        figures = [_rescaled(figure, size[0] / width, size[1] / height) for figure in figures]
    faded = (rgb.astype(np.uint16) * 3 // 4 + 64).clip(0, 255).astype(np.uint8)
    picture = Image.fromarray(faded)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(_LABEL_PX)
    for figure in figures:
        frame = box_of(figure.box)
        _box(draw, frame, FRAME, 1)
        draw.text((frame.x_min + 3, frame.y_min + 2), figure.figure_id, FRAME, font)
        if figure.HasField("chart"):
            for axis in figure.chart.axes:
                _axis(draw, axis)
        for value, box in _values(figure):
            _value(draw, font, value, box)
    data = BytesIO()
    picture.save(data, "PNG", optimize=False)
    return data.getvalue()


def _rescaled(figure: Figure, x_factor: float, y_factor: float) -> Figure:
    copy = Figure()
    copy.CopyFrom(figure)
    rescale(copy, x_factor, y_factor)
    return copy


def _values(figure: Figure) -> Iterator[tuple[Value, PixelBox]]:
    if figure.HasField("chart"):
        yield from _chart_values(figure.chart)
    else:
        yield from _table_values(figure.table)


def _chart_values(chart: Chart) -> Iterator[tuple[Value, PixelBox]]:
    for series in chart.series:
        for point in series.points:
            if point.HasField("mark_box"):
                yield point.y, box_of(point.mark_box)
            if point.y.HasField("box") and point.y.box != point.mark_box:
                yield point.y, box_of(point.y.box)


def _table_values(table: Table) -> Iterator[tuple[Value, PixelBox]]:
    for cell in table.cells:
        if cell.value.HasField("box"):
            yield cell.value, box_of(cell.value.box)


def _axis(draw: ImageDraw.ImageDraw, axis: Axis) -> None:
    for tick in axis.ticks:
        box = box_of(tick.box)
        _box(draw, box, AXIS, 1)
        # The tick itself, on the side of its label that the position allows.
        if box.x_min <= tick.position_px <= box.x_max and not box.y_min <= tick.position_px <= box.y_max:
            draw.line((tick.position_px, box.y_min - _TICK_PX, tick.position_px, box.y_min), AXIS)
        elif box.y_min <= tick.position_px <= box.y_max:
            draw.line((box.x_max, tick.position_px, box.x_max + _TICK_PX, tick.position_px), AXIS)


def _value(
    draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, value: Value, box: PixelBox
) -> None:
    colour = COLOURS.get(value.origin, COLOURS[ORIGIN_GUESSED])
    _box(draw, box, colour, 2 if value.confidence >= _SURE else 1)
    if value.HasField("number") and value.origin != ORIGIN_PRINTED:
        draw.text((box.x_max + 2, box.y_min), f"{value.number:.4g}", colour, font)


def _box(draw: ImageDraw.ImageDraw, box: PixelBox, colour: Rgb, width: int) -> None:
    """Outline a half-open box on its own outermost pixels."""
    left, top = round(box.x_min), round(box.y_min)
    right, bottom = max(left, round(box.x_max) - 1), max(top, round(box.y_max) - 1)
    draw.rectangle((left, top, right, bottom), outline=colour, width=width)
