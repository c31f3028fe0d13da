"""A line drawn over standing bars, measured on the second axis where there is one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loupe.type.v1 import figure_pb2
from servers.vision.charts import messages
from servers.vision.charts.axes.plot_area import PlotArea, choose_axes, find_rules
from servers.vision.charts.axes.ticks import ValueAxis
from servers.vision.charts.axes.titles import title_beside, unit_in
from servers.vision.charts.bars.bar import BarChart
from servers.vision.charts.legends.legend import find_legend
from servers.vision.charts.lines.strokes import Stroke, find_strokes
from servers.vision.charts.picture.colors import Palette
from servers.vision.charts.picture.page import Page
from servers.vision.geometry import PixelBox, box_of

_UNLIKE_BARS = 20.0  # colour difference; edges of bars mix their colours with the paper's
_LEAST_SPAN = 0.6  # of the distance between the outer bars
_LEAST_CHROMA = 20.0


def add_line(
    page: Page, palette: Palette, chart: BarChart, axes: Sequence[ValueAxis], figure: figure_pb2.Figure
) -> None:
    """Add to a figure of single bars the line that runs over them, if there is one."""
    _, first, second = choose_axes(page, axes)
    if not chart.frame.vertical or chart.stacked or first is None or len(figure.chart.series) != 1:
        return
    bars = figure.chart.series[0]
    centers = [(point.mark_box.x_min + point.mark_box.x_max) / 2 for point in bars.points]
    if len(centers) < 3:
        return
    area = box_of(figure.chart.plot_area)
    box = PixelBox(area.x_min, min(tick.position for tick in first.ticks) - 4, area.x_max, area.y_max)
    rules = find_rules(page, palette, box)
    strokes = [
        stroke
        for stroke in find_strokes(page, palette, PlotArea(box, rules), hide=np.zeros(palette.labels.shape, dtype=bool))
        if _is_line(stroke, chart, palette, centers)
    ]
    if len(strokes) != 1:
        return
    stroke = strokes[0]
    axis = second or first
    series = figure_pb2.Series(
        color=messages.color(stroke.rgb),
        value_axis=figure_pb2.AXIS_DIMENSION_Y2 if second else figure_pb2.AXIS_DIMENSION_Y,
    )
    title = title_beside(page, axis.box.x_max, page.width, box.y_min, box.y_max) if second else ""
    entries = find_legend(page, [stroke.lab], palette.papers)
    series.name = (entries[0].name if entries else title)[:500]
    series.unit = (axis.unit or unit_in(title))[:100]
    for point, x in zip(bars.points, centers, strict=True):
        y = stroke.at(x, 6.0)
        if y is None:
            continue
        mark = PixelBox(x - 2, y - 2, x + 2, y + 2)
        value = axis.fit.value(y)
        pixel = abs(axis.fit.value(y + 1) - value) * (0.7 + axis.fit.residual_px)
        confidence = float(np.clip(1 - np.exp(-0.5 * 0.05 * abs(value) / max(pixel, 1e-12)), 0.05, 0.95))
        added = figure_pb2.DataPoint(
            label=point.label, mark_box=mark.to_proto(), y=messages.measured(value, mark, confidence, position=y)
        )
        added.label_box.CopyFrom(point.label_box)
        series.points.append(added)
    if len(series.points) * 2 < len(centers):
        return
    figure.chart.series.append(series)
    if second is not None:
        figure.chart.axes.append(messages.value_axis(second, figure_pb2.AXIS_DIMENSION_Y2, title, series.unit))


def _is_line(stroke: Stroke, chart: BarChart, palette: Palette, centers: Sequence[float]) -> bool:
    unlike = all(float(np.linalg.norm(palette.fills[bar.fill].lab - stroke.lab)) > _UNLIKE_BARS for bar in chart.bars)
    solid = float(np.isfinite(stroke.low).mean()) > 0.7
    spans = min(stroke.x1, max(centers)) - max(stroke.x0, min(centers)) > _LEAST_SPAN * (max(centers) - min(centers))
    chroma = float(np.hypot(stroke.lab[1], stroke.lab[2]))
    paper = float(np.linalg.norm(stroke.lab - palette.papers[0]))
    ragged = float(np.nanmedian(np.abs(np.diff(stroke.y, 2)))) > 1.5
    level = float(np.nanstd(stroke.y)) < 1.5
    return unlike and solid and spans and not ragged and not level and (chroma > _LEAST_CHROMA or paper > 60)
