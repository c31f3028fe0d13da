"""Small builders of the contract's messages from what was measured."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from loupe.type.v1 import figure_pb2
from loupe.type.v1.geometry_pb2 import Color
from servers.vision.charts.axes.ticks import ValueAxis
from servers.vision.geometry import PixelBox

_LONGEST_TEXT = 500


def clean_number(number: float) -> float:
    """Return the number to six significant digits: no chart can be read more finely."""
    return float(f"{number:.6g}")


def printed(number: float, text: str, box: PixelBox, confidence: float) -> figure_pb2.Value:
    """Return a value read as text."""
    return figure_pb2.Value(
        number=number,
        printed=text[:2000],
        box=box.to_proto(),
        origin=figure_pb2.ORIGIN_PRINTED,
        confidence=min(max(confidence, 0.0), 1.0),
    )


def measured(
    number: float,
    box: PixelBox,
    confidence: float,
    *,
    position: float | None = None,
    base: float | None = None,
    guessed: bool = False,
) -> figure_pb2.Value:
    """Return a value measured on a mark, or one that is only a guess.

    Args:
      position: pixel along the value axis at which the calibration gives the number.
      base: pixel whose value is to be taken off, where the mark does not begin at the axis's zero.
    """
    origin = figure_pb2.ORIGIN_GUESSED if guessed else figure_pb2.ORIGIN_INTERPOLATED
    return figure_pb2.Value(
        number=clean_number(number),
        box=box.to_proto(),
        origin=origin,
        confidence=min(max(confidence, 0.0), 1.0),
        position_px=position,
        base_px=base,
    )


def value_axis(
    axis: ValueAxis, dimension: figure_pb2.AxisDimension.ValueType, title: str, unit: str
) -> figure_pb2.Axis:
    """Return a measuring axis with its ticks and calibration."""
    scale = figure_pb2.AXIS_SCALE_LOG if axis.fit.log else figure_pb2.AXIS_SCALE_LINEAR
    if axis.is_years:
        scale, unit = figure_pb2.AXIS_SCALE_DATE, "year"
    elif axis.dates is not None:
        scale, unit = figure_pb2.AXIS_SCALE_DATE, ""
    return figure_pb2.Axis(
        dimension=dimension,
        scale=scale,
        title=title[:2000],
        unit=(unit or axis.unit)[:100],
        ticks=[
            figure_pb2.Tick(
                label=tick.text[:_LONGEST_TEXT], number=tick.number, position_px=tick.position, box=tick.box.to_proto()
            )
            for tick in axis.ticks
        ],
        calibration=None if axis.fit.stretches else axis.fit.to_proto(),
        segments=[stretch.to_proto() for stretch in axis.fit.stretches],
    )


def category_axis(
    dimension: figure_pb2.AxisDimension.ValueType, labels: Sequence[tuple[str, float, PixelBox | None]], title: str = ""
) -> figure_pb2.Axis:
    """Return an axis of names, each (text, position in pixels, box)."""
    return figure_pb2.Axis(
        dimension=dimension,
        scale=figure_pb2.AXIS_SCALE_CATEGORY,
        title=title[:2000],
        ticks=[
            figure_pb2.Tick(label=text[:_LONGEST_TEXT], position_px=position, box=box.to_proto() if box else None)
            for text, position, box in labels
            if text
        ],
    )


def rgb_of(lab: NDArray[np.float32]) -> tuple[int, int, int]:
    """Return a CIE L*a*b* colour, float32 [3], as 8-bit channels."""
    channels = cv2.cvtColor(lab.astype(np.float32).reshape(1, 1, 3), cv2.COLOR_LAB2RGB)[0, 0]
    red, green, blue = (round(float(np.clip(channel, 0, 1)) * 255) for channel in channels)
    return red, green, blue


def color(rgb: tuple[int, int, int]) -> Color:
    """Return the colour."""
    return Color(red=rgb[0], green=rgb[1], blue=rgb[2])
