"""How the numbers of a chart follow from pixels, told from the figure's message alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from loupe.type.v1 import figure_pb2
from servers.vision.charts.axes.calibration import AxisFit
from servers.vision.charts.messages import clean_number
from servers.vision.geometry import box_of

_EDGE_PX = 1.0
"""A value and the pixel it stands at belong together if they agree to about a pixel."""

_COORDINATES: tuple[Literal["x", "x_end", "y"], ...] = ("x", "x_end", "y")

AxisDimension: TypeAlias = figure_pb2.AxisDimension.ValueType
MEASURED = (figure_pb2.ORIGIN_INTERPOLATED, figure_pb2.ORIGIN_GUESSED)
"""Origins of numbers that a new calibration makes new."""

STACKED = frozenset(
    {
        figure_pb2.CHART_TYPE_STACKED_BAR,
        figure_pb2.CHART_TYPE_HORIZONTAL_STACKED_BAR,
        figure_pb2.CHART_TYPE_STACKED_AREA,
    }
)
BARS = frozenset(
    {
        figure_pb2.CHART_TYPE_BAR,
        figure_pb2.CHART_TYPE_HORIZONTAL_BAR,
        figure_pb2.CHART_TYPE_GROUPED_BAR,
        figure_pb2.CHART_TYPE_HORIZONTAL_GROUPED_BAR,
        figure_pb2.CHART_TYPE_STACKED_BAR,
        figure_pb2.CHART_TYPE_HORIZONTAL_STACKED_BAR,
        figure_pb2.CHART_TYPE_HISTOGRAM,
    }
)
PIES = frozenset({figure_pb2.CHART_TYPE_PIE, figure_pb2.CHART_TYPE_DONUT})


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


@dataclass(frozen=True, slots=True)
class Entry:
    """A value with where it stands in its chart."""

    series: figure_pb2.Series
    point: figure_pb2.DataPoint
    coordinate: Literal["x", "x_end", "y"]
    dimension: AxisDimension
    """Of the axis that measures it."""

    @property
    def value(self) -> figure_pb2.Value:
        """The value itself, not a copy."""
        value: figure_pb2.Value = getattr(self.point, self.coordinate)
        return value


def entries(chart: figure_pb2.Chart) -> list[Entry]:
    """Return every value of a chart in its order. What is not a y is measured along x."""
    return [
        Entry(series, point, name, value_dimension(series) if name == "y" else figure_pb2.AXIS_DIMENSION_X)
        for series in chart.series
        for point in series.points
        for name in _COORDINATES
        if point.HasField(name)
    ]


def values_of(figure: figure_pb2.Figure) -> list[figure_pb2.Value]:
    """Return every value of a figure, in its order."""
    return [entry.value for entry in entries(figure.chart)] + [cell.value for cell in figure.table.cells]


def place_of(chart: figure_pb2.Chart, entry: Entry, scale: Scale) -> Place | None:
    """Return where a value stands: as the figure says, else at the edges or in the middle of its mark.

    A place that the figure does not name counts only if the scale gives the value's number there to about a pixel;
    None where none does.
    """
    value = entry.value
    if value.HasField("position_px"):
        return Place(value.position_px, value.base_px if value.HasField("base_px") else None)
    if not value.HasField("number"):
        return None
    found = ((distance_px(scale, place, value.number), place) for place in places_on_mark(chart, entry))
    best = min(found, key=lambda pair: pair[0], default=None)
    return best[1] if best is not None and best[0] <= _EDGE_PX else None


def distance_px(scale: Scale, place: Place, number: float) -> float:
    """Return how far a number is from where it should stand, in pixels."""
    return abs(scale.number(place) - number) / scale.worth(place.position)


def places_on_mark(chart: figure_pb2.Chart, entry: Entry) -> list[Place]:
    """Return where on its mark a value may stand; a bar ends at an edge, a part of a stack lasts from edge to edge."""
    if entry.point.HasField("mark_box"):
        box = box_of(entry.point.mark_box)
    elif entry.value.HasField("box"):
        box = box_of(entry.value.box)
    else:
        return []
    is_x = entry.dimension == figure_pb2.AXIS_DIMENSION_X
    low, high = (box.x_min, box.x_max) if is_x else (box.y_min, box.y_max)
    if chart.type in STACKED:
        return [Place(low, high), Place(high, low)]
    if chart.type in BARS:
        # A foot that is not just where the axis as read has its zero counts too.
        return [Place(low), Place(high), Place(low, high), Place(high, low)]
    return [Place((low + high) / 2), Place(low), Place(high)]


def number_at(chart: figure_pb2.Chart, scale: Scale, place: Place) -> float:
    """Return the number at a place, with the digits that reading the picture would have given it."""
    if chart.type == figure_pb2.CHART_TYPE_SCATTER and place.base is None:
        return scale.at(place.position).fit.told(place.position)
    return clean_number(scale.number(place))
