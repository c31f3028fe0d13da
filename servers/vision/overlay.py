"""The evidence of figures drawn on the image they were read from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from loupe.type.v1.figure_pb2 import (
    AXIS_DIMENSION_X,
    AXIS_SCALE_CATEGORY,
    FIDELITY_PASS,
    FIDELITY_UNSPECIFIED,
    ORIGIN_CORRECTED,
    ORIGIN_GUESSED,
    ORIGIN_INTERPOLATED,
    ORIGIN_PRINTED,
    Axis,
    Chart,
    Fidelity,
    Figure,
    Origin,
    Table,
    Value,
)
from servers.vision.geometry import PixelBox, box_of
from servers.vision.measuring import Scale, entries
from servers.vision.pen import Pen, Rgb
from servers.vision.rescale import rescale

# Okabe and Ito's palette, told apart by colour-blind eyes too.
COLOURS: dict[Origin.ValueType, Rgb] = {
    ORIGIN_PRINTED: (0, 158, 115),
    ORIGIN_INTERPOLATED: (0, 114, 178),
    ORIGIN_GUESSED: (213, 94, 0),
    ORIGIN_CORRECTED: (0, 0, 0),
}
FRAME: Rgb = (204, 121, 167)
AXIS: Rgb = (120, 120, 120)
DOUBT: Rgb = COLOURS[ORIGIN_GUESSED]
_SURE = 0.8
_TICK_PX = 5
_OFF_PX = 3.0
"""A tick this far from its axis's line is one that the line does not rest on."""
_SWATCH_PX = 7
_MOST_REASONS = 6
_LARGEST_PX = 8_000_000


def draw_overlay(rgb: NDArray[np.uint8], figures: Iterable[Figure]) -> bytes:
    """Return the image, uint8 [h, w, 3], as PNG of the same size with a box around everything that was read.

    Green is printed, blue is measured against an axis, orange is guessed, black was given by a person; a doubtful value
    has a thinner box, and a question mark where a reason names it. A short bar shows where a mark was measured. Each
    tick of a measuring axis bears its index and number, orange where the axis's line misses it. Names of series carry
    their colour. Figures are framed in pink, with the verdict and, where there is room beside the frame, the reasons.
    The picture is faded a little, so that evidence stands out; a very large one is made smaller.
    """
    figures = list(figures)
    height, width = rgb.shape[:2]
    shrink = math.sqrt(_LARGEST_PX / max(_LARGEST_PX, width * height))
    if shrink < 1:
        size = (max(1, int(width * shrink)), max(1, int(height * shrink)))
        rgb = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX))
        figures = [_rescaled(figure, size[0] / width, size[1] / height) for figure in figures]
    faded = (rgb.astype(np.uint16) * 3 // 4 + 64).clip(0, 255).astype(np.uint8)
    picture = Image.fromarray(faded)
    pen = Pen(picture)
    for figure in figures:
        pen.box(box_of(figure.box), FRAME)
        doubted = {value_id for reason in figure.reasons for value_id in reason.value_ids}
        if figure.HasField("chart"):
            _chart(pen, figure.chart, doubted)
        else:
            _table(pen, figure.table, doubted)
    for figure in figures:
        _verdict(pen, figure, [box_of(other.box) for other in figures if other is not figure])
    data = BytesIO()
    picture.save(data, "PNG", optimize=False)
    return data.getvalue()


def _rescaled(figure: Figure, x_factor: float, y_factor: float) -> Figure:
    copy = Figure()
    copy.CopyFrom(figure)
    rescale(copy, x_factor, y_factor)
    return copy


def _verdict(pen: Pen, figure: Figure, others: list[PixelBox]) -> None:
    """Write verdict and reasons below or above the frame where there is room, else the verdict alone in its corner."""
    frame = box_of(figure.box)
    told = figure.figure_id
    if figure.fidelity != FIDELITY_UNSPECIFIED:
        told += f" {Fidelity.Name(figure.fidelity).removeprefix('FIDELITY_')}"
    colour = FRAME if figure.fidelity in (FIDELITY_PASS, FIDELITY_UNSPECIFIED) else DOUBT
    reasons = [" ".join(reason.message.split()) for reason in figure.reasons[:_MOST_REASONS]]
    for lines in ([told, *reasons], [told]):
        width, height = pen.size_of(lines)
        for top in (frame.y_max + 1, frame.y_min - height - 2):
            left = max(0.0, min(frame.x_min, pen.width_px - width))
            place = PixelBox(left, top, left + width, top + height)
            inside = place.y_min >= 0 and place.y_max < pen.height_px and place.x_max <= pen.width_px
            if inside and not any(place.intersection_area(other) for other in others):
                pen.lines(place.x_min, place.y_min, lines, colour)
                return
    pen.text(frame.x_min + 3, frame.y_min + 2, told, colour)


def _chart(pen: Pen, chart: Chart, doubted: set[str]) -> None:
    for axis in chart.axes:
        _axis(pen, axis, box_of(chart.plot_area))
    for series in chart.series:
        if series.HasField("name_box"):
            _name(pen, box_of(series.name_box), (series.color.red, series.color.green, series.color.blue))
        for point in series.points:
            if point.HasField("label_box"):
                pen.box(box_of(point.label_box), AXIS)
    for entry in entries(chart):
        value, point = entry.value, entry.point
        boxes = [box_of(value.box)] if value.HasField("box") else []
        if entry.coordinate == "y" and point.HasField("mark_box") and point.mark_box != value.box:
            boxes.insert(0, box_of(point.mark_box))
        if entry.coordinate == "y" or value.origin in (ORIGIN_PRINTED, ORIGIN_CORRECTED):
            for box in boxes:
                _value(pen, value, box, doubted)
        if value.HasField("position_px") and boxes:
            _measured_at(pen, value, boxes[0], is_x=entry.dimension == AXIS_DIMENSION_X)


def _table(pen: Pen, table: Table, doubted: set[str]) -> None:
    for cell in table.cells:
        if cell.value.HasField("box"):
            box = box_of(cell.value.box)
            _value(pen, cell.value, box, doubted)
            if cell.row_span > 1 or cell.column_span > 1:
                pen.text(box.x_max + 2, box.y_max - 8, f"{cell.row_span}x{cell.column_span}", AXIS)


def _axis(pen: Pen, axis: Axis, plot: PixelBox) -> None:
    """Draw each tick's label and its place on the plot's edge; of a broken axis also the stretches."""
    scale = Scale.of(axis)
    is_x = axis.dimension == AXIS_DIMENSION_X
    for index, tick in enumerate(axis.ticks):
        box = box_of(tick.box)
        colour = AXIS
        if tick.is_corrected:
            colour = COLOURS[ORIGIN_CORRECTED]
        elif scale is not None and tick.HasField("number"):
            off = abs(scale.value(tick.position_px) - tick.number) / scale.worth(tick.position_px)
            colour = DOUBT if off > _OFF_PX else AXIS
        if tick.HasField("box"):
            pen.box(box, colour)
        at, edge = tick.position_px, _edge(box, plot, is_x=is_x)
        if is_x:
            pen.line(at, edge - _TICK_PX, at, edge + _TICK_PX, colour)
        else:
            pen.line(edge - _TICK_PX, at, edge + _TICK_PX, at, colour)
        if axis.scale != AXIS_SCALE_CATEGORY and tick.HasField("number"):
            told = f"{index}: {tick.number:g}"
            pen.text(*_beside(pen, told, box, plot, is_x=is_x), told, colour)
    for stretch in scale.stretches if scale is not None and axis.segments else ():
        edge = _edge(box_of(axis.ticks[0].box), plot, is_x=is_x) if axis.ticks else (plot.y_max if is_x else plot.x_min)
        if is_x:
            pen.line(stretch.from_px, edge, stretch.to_px, edge, AXIS, 3)
        else:
            pen.line(edge, stretch.from_px, edge, stretch.to_px, AXIS, 3)


def _beside(pen: Pen, told: str, label: PixelBox, plot: PixelBox, *, is_x: bool) -> tuple[float, float]:
    """Return where a tick's number stands clear of the marks: on its label's far side, else over or right of it."""
    width, height = pen.size_of([told])
    if is_x:
        below = label.center_y > plot.center_y
        y = label.y_max + 1 if below else label.y_min - height
        if y >= 0 and y + height <= pen.height_px:
            return label.center_x - width / 2, y
        return label.x_max + 2, label.y_min
    left = label.center_x < plot.center_x
    x = label.x_min - width - 2 if left else label.x_max + 2
    if x >= 0 and x + width <= pen.width_px:
        return x, label.center_y - height / 2
    return (label.x_min if left else label.x_max - width), label.y_min - height


def _edge(label: PixelBox, plot: PixelBox, *, is_x: bool) -> float:
    """Return which edge of the plot a tick's label stands at."""
    if is_x:
        return plot.y_max if label.center_y > plot.center_y else plot.y_min
    return plot.x_min if label.center_x < plot.center_x else plot.x_max


def _name(pen: Pen, box: PixelBox, colour: Rgb) -> None:
    pen.box(box.grown(1, 1), colour)
    left, top = box.x_max + 3, box.center_y - _SWATCH_PX / 2
    pen.fill(PixelBox(left, top, left + _SWATCH_PX, top + _SWATCH_PX), colour, AXIS)


def _value(pen: Pen, value: Value, box: PixelBox, doubted: set[str]) -> None:
    colour = COLOURS.get(value.origin, COLOURS[ORIGIN_GUESSED])
    pen.box(box, colour, 2 if value.confidence >= _SURE else 1)
    told = ""
    if value.origin == ORIGIN_CORRECTED:
        told = value.printed or f"{value.number:.4g}"
    elif value.HasField("number") and value.origin != ORIGIN_PRINTED:
        told = f"{value.number:.4g}"
    if value.value_id in doubted:
        told, colour = f"{told}?", DOUBT
    if told:
        pen.text(box.x_max + 2, box.y_min, told, colour)


def _measured_at(pen: Pen, value: Value, box: PixelBox, *, is_x: bool) -> None:
    """Draw where along the axis a mark was measured, and where its length begins if not at the axis's zero."""
    for place in _places(value):
        if is_x:
            pen.line(place, box.y_min - 2, place, box.y_max + 2, COLOURS[ORIGIN_INTERPOLATED])
        else:
            pen.line(box.x_min - 2, place, box.x_max + 2, place, COLOURS[ORIGIN_INTERPOLATED])


def _places(value: Value) -> Iterator[float]:
    yield value.position_px
    if value.HasField("base_px"):
        yield value.base_px
