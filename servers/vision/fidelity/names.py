"""Doubts about what values belong to: names of series, labels of points, and gaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from loupe.type.v1 import figure_pb2
from loupe.type.v1.geometry_pb2 import Color
from servers.vision.fidelity.reason import reason
from servers.vision.measuring import BARS, PIES, STACKED

CODES = frozenset(
    {
        "missing_series_names",
        "duplicate_series_names",
        "series_share_a_color",
        "missing_category_labels",
        "duplicate_labels",
        "missing_points",
    }
)
_MOST_UNLABELLED = 0.5
_FEWEST_LETTERS = 3
"""Initials of months and weekdays repeat."""
_ONE_COLOR = 30
"""Of 255, the most a channel may differ between two lines of one ink."""
_WITHOUT_CATEGORIES = frozenset(
    {figure_pb2.CHART_TYPE_SCATTER, figure_pb2.CHART_TYPE_HISTOGRAM, figure_pb2.CHART_TYPE_BOX}
)


def doubts(chart: figure_pb2.Chart) -> Iterator[figure_pb2.FidelityReason]:
    """Yield what is missing or stands twice among names and labels."""
    yield from _series(chart)
    if chart.type not in _WITHOUT_CATEGORIES:
        yield from _labels(chart)


def _series(chart: figure_pb2.Chart) -> Iterator[figure_pb2.FidelityReason]:
    unnamed = [series for series in chart.series if not series.name]
    if unnamed and len(chart.series) > 1:
        values = [point.y for series in unnamed for point in series.points]
        yield reason(
            "missing_series_names", f"{len(unnamed)} of {len(chart.series)} series have no name", values, chart
        )
    if chart.type == figure_pb2.CHART_TYPE_LINE:
        yield from _lines_of_one_color(chart)
    for name, count in Counter(series.name for series in chart.series if series.name).items():
        if count > 1:
            values = [point.y for series in chart.series if series.name == name for point in series.points]
            yield reason("duplicate_series_names", f"{count} series are called {name!r}", values, chart)


def _lines_of_one_color(chart: figure_pb2.Chart) -> Iterator[figure_pb2.FidelityReason]:
    """Doubt lines told apart by dashes or markers alone: one too many of them is followed onto another."""
    alike = [
        series
        for series in chart.series
        if series.HasField("color")
        and any(other is not series and _is_near(series.color, other.color) for other in chart.series)
    ]
    if alike:
        values = [point.y for series in alike for point in series.points]
        yield reason("series_share_a_color", f"{len(alike)} lines are told apart by dashes or markers", values, chart)


def _is_near(one: Color, other: Color) -> bool:
    channels = zip((one.red, one.green, one.blue), (other.red, other.green, other.blue), strict=True)
    return all(abs(first - second) <= _ONE_COLOR for first, second in channels)


def _labels(chart: figure_pb2.Chart) -> Iterator[figure_pb2.FidelityReason]:
    unlabelled = [
        point.y for series in chart.series for index, point in enumerate(series.points) if _is_placeholder(point, index)
    ]
    total = sum(len(series.points) for series in chart.series)
    if len(unlabelled) > (0 if chart.type in PIES else _MOST_UNLABELLED * total):
        yield reason(
            "missing_category_labels", f"{len(unlabelled)} of {total} values have no readable label", unlabelled, chart
        )
    for series in chart.series:
        counts = Counter(point.label for point in series.points if not point.HasField("x"))
        twice = {label for label, count in counts.items() if count > 1 and len(label) >= _FEWEST_LETTERS}
        if twice:
            values = [point.y for point in series.points if point.label in twice]
            shown = ", ".join(repr(label) for label in sorted(twice)[:3])
            yield reason("duplicate_labels", f"several points of a series are called {shown}", values)
    yield from _gaps(chart)


def _gaps(chart: figure_pb2.Chart) -> Iterator[figure_pb2.FidelityReason]:
    """Yield the series that lack a value where the axis has a category; a part of a stack may be nothing."""
    categories = [
        tick.label for axis in chart.axes if axis.scale == figure_pb2.AXIS_SCALE_CATEGORY for tick in axis.ticks
    ]
    if chart.type in STACKED or len(set(categories)) < len(categories):
        return
    for series in chart.series:
        there = {point.label for point in series.points}
        known = [index for index, label in enumerate(categories) if label in there]
        if not known:
            continue
        # Lines may begin late and end early; a bar that is not there may be too short to be seen.
        span = range(len(categories)) if chart.type in BARS else range(known[0], known[-1] + 1)
        missing = [categories[index] for index in span if index not in known]
        if missing:
            shown = ", ".join(repr(label) for label in missing[:3]) + (", ..." if len(missing) > 3 else "")
            yield reason("missing_points", f"{series.name or 'the series'} has no value for {shown}")


def _is_placeholder(point: figure_pb2.DataPoint, index: int) -> bool:
    """Tell whether a point is only numbered, as reading does where no label could be read."""
    if point.HasField("label_box") or point.HasField("x"):
        return False
    return point.label in (str(index + 1), f"slice {index + 1}")
