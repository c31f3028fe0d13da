"""How the numbers of a chart follow from pixels, told from the figure's message alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from loupe.type.v1 import figure_pb2
from servers.vision.charts.calibration import AxisFit
from servers.vision.charts.messages import clean_number
from servers.vision.geometry import box_of

_EDGE_PX = 1.0
"""A value and the pixel it stands at belong together if they agree to about a pixel."""

AxisDimension: TypeAlias = figure_pb2.AxisDimension.ValueType
MEASURED = (figure_pb2.ORIGIN_INTERPOLATED, figure_pb2.ORIGIN_GUESSED)
"""Origins of numbers that a new calibration makes new."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands along its axis, in pixels."""

    position: float
    base: float | None = None
    """Where the measured length begins, if not at the axis's zero."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of an axis on which one line holds; an unbroken axis is a single one."""

    fit: AxisFit
    tick_count: int
    from_px: float = float("-inf")
    to_px: float = float("inf")


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis that turns pixels into values."""

    stretches: tuple[Stretch, ...]

    @classmethod
    def of(cls, axis: figure_pb2.Axis) -> Scale | None:
        """Return the scale of an axis, None where it has no calibration."""
        log = axis.scale == figure_pb2.AXIS_SCALE_LOG
        lines = axis.segments or ([axis.calibration] if axis.HasField("calibration") else [])
        stretches = tuple(
            Stretch(
                AxisFit.from_proto(line, log=log),
                line.tick_count,
                line.from_px if line.HasField("from_px") else float("-inf"),
                line.to_px if line.HasField("to_px") else float("inf"),
            )
            for line in lines
            if line.slope
        )
        return cls(stretches) if stretches else None

    def at(self, pixel: float) -> Stretch:
        """Return the stretch a pixel lies on, the nearest one where it lies in a break."""
        return min(self.stretches, key=lambda part: max(part.from_px - pixel, pixel - part.to_px, 0.0))

    def value(self, pixel: float) -> float:
        """Return the value at a pixel."""
        return self.at(pixel).fit.value(pixel)

    def worth(self, pixel: float) -> float:
        """Return by how much the value changes over one pixel, at least a hair."""
        fit = self.at(pixel).fit
        return max(abs(fit.value(pixel + 0.5) - fit.value(pixel - 0.5)), 1e-300)

    def number(self, place: Place) -> float:
        """Return the value that stands at a place."""
        number = self.value(place.position)
        return number if place.base is None else number - self.value(place.base)


def axis_along(chart: figure_pb2.Chart, dimension: AxisDimension) -> figure_pb2.Axis | None:
    """Return the chart's axis of a dimension, None where it has none."""
    return next((axis for axis in chart.axes if axis.dimension == dimension), None)


def value_dimension(series: figure_pb2.Series) -> AxisDimension:
    """Return which axis measures the y of a series."""
    return series.value_axis or figure_pb2.AXIS_DIMENSION_Y


def values_on(chart: figure_pb2.Chart, dimension: AxisDimension) -> list[tuple[figure_pb2.DataPoint, figure_pb2.Value]]:
    """Return every value that an axis measures, with its point: y, or x and x_end on the axis across."""
    found = []
    for series in chart.series:
        for point in series.points:
            if value_dimension(series) == dimension:
                found += [(point, point.y)] if point.HasField("y") else []
            elif dimension == figure_pb2.AXIS_DIMENSION_X:
                found += [(point, point.x)] if point.HasField("x") else []
                found += [(point, point.x_end)] if point.HasField("x_end") else []
    return found


def values_of(figure: figure_pb2.Figure) -> list[figure_pb2.Value]:
    """Return every value of a figure, in its order."""
    points = [point for series in figure.chart.series for point in series.points]
    fields = [(point, name) for point in points for name in ("x", "x_end", "y") if point.HasField(name)]
    return [getattr(point, name) for point, name in fields] + [cell.value for cell in figure.table.cells]


def place_of(
    point: figure_pb2.DataPoint, value: figure_pb2.Value, dimension: AxisDimension, scale: Scale
) -> Place | None:
    """Return where a value stands: as the figure says, else the edges or the middle of its mark.

    A place that the figure does not name counts only if the scale gives the value's number there to about a pixel;
    None where none does.
    """
    if value.HasField("position_px"):
        return Place(value.position_px, value.base_px if value.HasField("base_px") else None)
    if not value.HasField("number"):
        return None
    best: tuple[float, Place] | None = None
    for place in places_on_mark(point, value, dimension):
        off = abs(scale.number(place) - value.number) / scale.worth(place.position)
        if off <= _EDGE_PX and (best is None or off < best[0]):
            best = (off, place)
    return best[1] if best else None


def places_on_mark(point: figure_pb2.DataPoint, value: figure_pb2.Value, dimension: AxisDimension) -> list[Place]:
    """Return where on its mark a value may stand: at either edge, in the middle, or from one edge to the other."""
    if point.HasField("mark_box"):
        box = box_of(point.mark_box)
    elif value.HasField("box"):
        box = box_of(value.box)
    else:
        return []
    low, high = (box.x_min, box.x_max) if dimension == figure_pb2.AXIS_DIMENSION_X else (box.y_min, box.y_max)
    return [Place(low), Place(high), Place((low + high) / 2), Place(low, high), Place(high, low)]


def number_at(chart: figure_pb2.Chart, scale: Scale, place: Place) -> float:
    """Return the number at a place, with the digits that reading the picture would have given it."""
    if chart.type == figure_pb2.CHART_TYPE_SCATTER and place.base is None:
        return scale.at(place.position).fit.told(place.position)
    return clean_number(scale.number(place))
