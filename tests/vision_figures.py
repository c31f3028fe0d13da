"""Figures as reading gives them, made without a picture: positions and the lines that turn them into values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from loupe.type.v1 import figure_pb2
from loupe.type.v1.geometry_pb2 import Box
from servers.vision.charts.axes.calibration import fit_axis
from servers.vision.fidelity.judge import judge
from servers.vision.identify import number_figures
from servers.vision.measuring import Place, Scale, number_at

X, Y, Y2 = figure_pb2.AXIS_DIMENSION_X, figure_pb2.AXIS_DIMENSION_Y, figure_pb2.AXIS_DIMENSION_Y2
Ticks = Sequence[tuple[float, float]]
"""(position in pixels, number)"""


def axis(
    dimension: figure_pb2.AxisDimension.ValueType,
    ticks: Ticks,
    scale: figure_pb2.AxisScale.ValueType = figure_pb2.AXIS_SCALE_LINEAR,
    unit: str = "",
) -> figure_pb2.Axis:
    """Return an axis read from these ticks."""
    made = figure_pb2.Axis(dimension=dimension, scale=scale, unit=unit)
    for position, number in ticks:
        made.ticks.add(label=f"{number:g}", number=number, position_px=position, box=_tick_box(dimension, position))
    fit = fit_axis(
        np.array([position for position, _ in ticks]),
        np.array([number for _, number in ticks]),
        log=scale == figure_pb2.AXIS_SCALE_LOG,
    )
    assert fit is not None
    made.calibration.CopyFrom(fit.to_proto())
    return made


def bars(
    ends: Mapping[str, Mapping[str, float]],
    ticks: Ticks,
    *,
    kind: figure_pb2.ChartType.ValueType = figure_pb2.CHART_TYPE_GROUPED_BAR,
    right_ticks: Ticks = (),
    on_right: Sequence[str] = (),
) -> figure_pb2.Figure:
    """Return standing bars measured against a left axis, some series against a right one.

    Args:
      ends: series → category → pixel at which its bar ends.
    """
    chart = figure_pb2.Chart(type=kind, axes=[axis(Y, ticks)])
    if right_ticks:
        chart.axes.append(axis(Y2, right_ticks))
    for name, places in ends.items():
        series = chart.series.add(name=name, value_axis=Y2 if name in on_right else Y)
        scale = Scale.of(chart.axes[1 if name in on_right else 0])
        assert scale is not None
        foot = round(scale.at(0).fit.pixel(0.0))
        for index, (label, end) in enumerate(places.items()):
            box = Box(x_min=40 * index, x_max=40 * index + 20, y_min=min(end, foot), y_max=max(end, foot))
            point = series.points.add(label=label, mark_box=box, label_box=_under(box))
            point.y.CopyFrom(_measured(chart, scale, Place(end), box))
    return _finished(chart)


def stack(parts: Mapping[str, Mapping[str, tuple[float, float]]], ticks: Ticks) -> figure_pb2.Figure:
    """Return stacked bars; parts: series → category → (upper, lower edge in pixels)."""
    chart = figure_pb2.Chart(type=figure_pb2.CHART_TYPE_STACKED_BAR, axes=[axis(Y, ticks)])
    scale = Scale.of(chart.axes[0])
    assert scale is not None
    for name, places in parts.items():
        series = chart.series.add(name=name, value_axis=Y)
        for index, (label, (top, bottom)) in enumerate(places.items()):
            box = Box(x_min=40 * index, x_max=40 * index + 20, y_min=top, y_max=bottom)
            point = series.points.add(label=label, mark_box=box, label_box=_under(box))
            point.y.CopyFrom(_measured(chart, scale, Place(top, bottom), box))
    return _finished(chart)


def scatter(
    points: Sequence[tuple[float, float]],
    x_ticks: Ticks,
    y_ticks: Ticks,
    *,
    x_scale: figure_pb2.AxisScale.ValueType = figure_pb2.AXIS_SCALE_LINEAR,
    kind: figure_pb2.ChartType.ValueType = figure_pb2.CHART_TYPE_SCATTER,
    label: str = "",
) -> figure_pb2.Figure:
    """Return points, given in pixels, against two measuring axes."""
    chart = figure_pb2.Chart(type=kind, axes=[axis(X, x_ticks, x_scale), axis(Y, y_ticks)])
    across, along = Scale.of(chart.axes[0]), Scale.of(chart.axes[1])
    assert across is not None
    assert along is not None
    series = chart.series.add(name="points", value_axis=Y)
    for x, y in points:
        box = Box(x_min=x - 2, x_max=x + 2, y_min=y - 2, y_max=y + 2)
        point = series.points.add(mark_box=box)
        point.x.CopyFrom(_measured(chart, across, Place(x), box))
        point.y.CopyFrom(_measured(chart, along, Place(y), box))
        point.label = label or f"{point.x.number:g}"
    return _finished(chart)


def table(rows: Sequence[Sequence[str]]) -> figure_pb2.Figure:
    """Return a table of words, its first row a header."""
    made = figure_pb2.Table(row_count=len(rows), column_count=len(rows[0]), header_row_count=1)
    for r, row in enumerate(rows):
        for c, text in enumerate(row):
            value = figure_pb2.Value(printed=text, origin=figure_pb2.ORIGIN_PRINTED, confidence=0.99)
            if r and c:
                value.number = float(text)
            made.cells.add(row=r, column=c, row_span=1, column_span=1, is_header=not r, value=value)
    figure = figure_pb2.Figure(table=made, confidence=0.9)
    number_figures([figure])
    judge(figure)
    return figure


def values_by_id(figure: figure_pb2.Figure) -> dict[str, figure_pb2.Value]:
    """Return a figure's values by their ids."""
    points = [point for series in figure.chart.series for point in series.points]
    values = [getattr(point, name) for point in points for name in ("x", "x_end", "y") if point.HasField(name)]
    return {value.value_id: value for value in [*values, *(cell.value for cell in figure.table.cells)]}


def numbers(figure: figure_pb2.Figure) -> dict[str, float]:
    """Return a figure's numbers by their values' ids."""
    return {value_id: value.number for value_id, value in values_by_id(figure).items() if value.HasField("number")}


def _measured(chart: figure_pb2.Chart, scale: Scale, place: Place, box: Box) -> figure_pb2.Value:
    return figure_pb2.Value(
        number=number_at(chart, scale, place),
        box=box,
        origin=figure_pb2.ORIGIN_INTERPOLATED,
        position_px=place.position,
        base_px=place.base,
    )


def _under(box: Box) -> Box:
    return Box(x_min=box.x_min, x_max=box.x_max, y_min=405, y_max=419)


def _tick_box(dimension: figure_pb2.AxisDimension.ValueType, position: float) -> Box:
    if dimension == X:
        return Box(x_min=position - 8, x_max=position + 8, y_min=305, y_max=313)
    return Box(x_min=-30, x_max=-10, y_min=position - 4, y_max=position + 4)


def _finished(chart: figure_pb2.Chart) -> figure_pb2.Figure:
    figure = figure_pb2.Figure(chart=chart, confidence=0.97)
    number_figures([figure])
    judge(figure)
    return figure
