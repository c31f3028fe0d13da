"""An answer measured on a smaller copy becomes one in the pixels of the image itself."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import Message

from loupe.type.v1.figure_pb2 import AXIS_DIMENSION_X, Axis
from loupe.type.v1.geometry_pb2 import Box


def enlarge(answer: Message, x_factor: float, y_factor: float) -> None:
    """Multiply every box, tick position and calibration inside the message, in place."""
    for message in _all_inside(answer):
        if isinstance(message, Box):
            message.x_min *= x_factor
            message.x_max *= x_factor
            message.y_min *= y_factor
            message.y_max *= y_factor
        elif isinstance(message, Axis):
            horizontal = _is_horizontal(message)
            factor = x_factor if horizontal else y_factor
            for tick in message.ticks:
                tick.position_px *= factor
            if message.HasField("calibration"):
                message.calibration.slope /= factor
                message.calibration.residual_px *= factor


def _is_horizontal(axis: Axis) -> bool:
    """Tell which way the ticks run; a horizontal bar chart measures its values along x whatever they are called."""
    if len(axis.ticks) >= 2:
        first, last = axis.ticks[0], axis.ticks[-1]
        across = abs(first.box.x_min + first.box.x_max - last.box.x_min - last.box.x_max)
        down = abs(first.box.y_min + first.box.y_max - last.box.y_min - last.box.y_max)
        return across > down
    return axis.dimension == AXIS_DIMENSION_X


def _all_inside(message: Message) -> Iterator[Message]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for inner in value if field.is_repeated else (value,):
            yield from _all_inside(inner)
