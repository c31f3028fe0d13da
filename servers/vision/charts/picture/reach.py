"""How far marks may reach over the outermost labels of an axis."""

from __future__ import annotations

import numpy as np

from servers.vision.charts.axes.value_axis import ValueAxis
from servers.vision.geometry import PixelBox


def with_room_above(box: PixelBox, axis: ValueAxis) -> PixelBox:
    """Return a plot with one more step of its upright axis over the highest label, which need not be the plot's top."""
    places = [tick.position for tick in axis.ticks]
    spacing = float(np.median(np.diff(places))) if len(places) > 1 else 0.0
    return PixelBox(box.x_min, max(0.0, min(box.y_min, min(places) - spacing)), box.x_max, box.y_max)
