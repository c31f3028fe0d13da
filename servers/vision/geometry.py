"""Boxes in the pixels of the upright image: origin top-left, y down, half-open."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from loupe.type.v1 import geometry_pb2


class PixelBox(NamedTuple):
    """A rectangle: x_min <= x < x_max, y_min <= y < y_max."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float

    @property
    def width(self) -> float:
        """Pixels from left to right."""
        return self.x_max - self.x_min

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.y_max - self.y_min

    @property
    def area(self) -> float:
        """Square pixels; 0 for an inverted box."""
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def center_x(self) -> float:
        """Middle, left to right."""
        return (self.x_min + self.x_max) / 2

    @property
    def center_y(self) -> float:
        """Middle, top to bottom."""
        return (self.y_min + self.y_max) / 2

    def contains_point(self, x: float, y: float) -> bool:
        """Tell whether the point lies inside."""
        return self.x_min <= x < self.x_max and self.y_min <= y < self.y_max

    def intersection_area(self, other: PixelBox) -> float:
        """Square pixels that both boxes cover."""
        width = min(self.x_max, other.x_max) - max(self.x_min, other.x_min)
        height = min(self.y_max, other.y_max) - max(self.y_min, other.y_min)
        return max(0.0, width) * max(0.0, height)

    def overlap(self, other: PixelBox) -> float:
        """Share of the smaller box that the other covers, 0 to 1."""
        smaller = min(self.area, other.area)
        return self.intersection_area(other) / smaller if smaller > 0 else 0.0

    def grown(self, dx: float, dy: float) -> PixelBox:
        """Return the box widened by dx on the left and right, by dy on top and bottom."""
        return PixelBox(self.x_min - dx, self.y_min - dy, self.x_max + dx, self.y_max + dy)

    def shifted(self, dx: float, dy: float) -> PixelBox:
        """Return the box moved right by dx and down by dy."""
        return PixelBox(self.x_min + dx, self.y_min + dy, self.x_max + dx, self.y_max + dy)

    def scaled(self, factor: float) -> PixelBox:
        """Return the box in an image enlarged by the factor."""
        return PixelBox(self.x_min * factor, self.y_min * factor, self.x_max * factor, self.y_max * factor)

    def clipped(self, width_px: float, height_px: float) -> PixelBox:
        """Return the part inside an image of this size."""
        return PixelBox(
            min(max(self.x_min, 0.0), width_px),
            min(max(self.y_min, 0.0), height_px),
            min(max(self.x_max, 0.0), width_px),
            min(max(self.y_max, 0.0), height_px),
        )

    def to_proto(self) -> geometry_pb2.Box:
        """Return the box as the contract's message."""
        return geometry_pb2.Box(x_min=self.x_min, y_min=self.y_min, x_max=self.x_max, y_max=self.y_max)


def box_of(message: geometry_pb2.Box) -> PixelBox:
    """Return the contract's box as a PixelBox."""
    return PixelBox(message.x_min, message.y_min, message.x_max, message.y_max)


def union(boxes: Iterable[PixelBox]) -> PixelBox:
    """Return the smallest box around all of them.

    Raises:
      ValueError: there are none.
    """
    x_mins, y_mins, x_maxs, y_maxs = zip(*boxes, strict=True)
    return PixelBox(min(x_mins), min(y_mins), max(x_maxs), max(y_maxs))
