"""What was measured on a smaller copy becomes what stands in the pixels of the image itself, and back."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import Message

from loupe.type.v1.figure_pb2 import AXIS_DIMENSION_X, Axis, Chart, Value
from loupe.type.v1.geometry_pb2 import Box


def rescale(message: Message, x_factor: float, y_factor: float) -> None:
    """Multiply every box, position along an axis and calibration inside the message, in place."""
    for inner in all_inside(message):
        if isinstance(inner, Box):
            inner.x_min *= x_factor
            inner.x_max *= x_factor
            inner.y_min *= y_factor
            inner.y_max *= y_factor
        elif isinstance(inner, Axis):
            factor = x_factor if _is_horizontal(inner) else y_factor
            for tick in inner.ticks:
                tick.position_px *= factor
            for fit in [*([inner.calibration] if inner.HasField("calibration") else []), *inner.segments]:
                fit.slope /= factor
                fit.residual_px *= factor
                if fit.HasField("from_px"):
                    fit.from_px *= factor
                if fit.HasField("to_px"):
                    fit.to_px *= factor
        elif isinstance(inner, Chart):
            factors = {axis.dimension: x_factor if _is_horizontal(axis) else y_factor for axis in inner.axes}
            for series in inner.series:
                for point in series.points:
                    _move(point.y, factors.get(series.value_axis, y_factor))
                    for x in (point.x, point.x_end):
                        _move(x, factors.get(AXIS_DIMENSION_X, x_factor))


def _move(value: Value, factor: float) -> None:
    if value.HasField("position_px"):
        value.position_px *= factor
    if value.HasField("base_px"):
        value.base_px *= factor


def _is_horizontal(axis: Axis) -> bool:
    """Tell which way the ticks run; a horizontal bar chart measures its values along x whatever they are called."""
    if len(axis.ticks) >= 2:
        first, last = axis.ticks[0], axis.ticks[-1]
        across = abs(first.box.x_min + first.box.x_max - last.box.x_min - last.box.x_max)
        down = abs(first.box.y_min + first.box.y_max - last.box.y_min - last.box.y_max)
        return across > down
    return axis.dimension == AXIS_DIMENSION_X


def all_inside(message: Message) -> Iterator[Message]:
    """Yield the message and every message inside it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for inner in value if field.is_repeated else (value,):
            yield from all_inside(inner)
