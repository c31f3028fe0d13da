"""Histograms as figures: each bin with its two edges and its height, all measured."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from loupe.type.v1 import figure_pb2
from servers.vision.charts import messages
from servers.vision.charts.axes.plot_area import choose_axes, find_plot_area
from servers.vision.charts.axes.titles import find_source, find_title, title_below, title_beside, unit_in
from servers.vision.charts.axes.value_axis import ValueAxis
from servers.vision.charts.bars.scale import length_confidence
from servers.vision.charts.distributions.histogram import Histogram, find_histogram
from servers.vision.charts.fidelity import Doubts
from servers.vision.charts.legends.legend import LegendEntry, key_mask
from servers.vision.charts.picture.colors import Palette
from servers.vision.charts.picture.page import Page
from servers.vision.geometry import PixelBox, union

_SURE_EDGE = 0.9
_MANY_BINS, _MANY_TICKS = 5, 4


def histogram_figure(
    page: Page, palette: Palette, axes: Sequence[ValueAxis], fills: Sequence[int], legend: Sequence[LegendEntry]
) -> figure_pb2.Figure | None:
    """Return the image's histogram as a figure, or None where there is none or an axis is missing."""
    x_axis, y_axis, _ = choose_axes(page, axes)
    if x_axis is None or y_axis is None or x_axis.dates is not None or len(x_axis.ticks) < 3:
        return None
    plot = find_plot_area(page, palette, x_axis, y_axis).box
    hide = page.text_mask(sure_only=True) | key_mask(page, legend)
    histogram = find_histogram(page, palette, plot, x_axis, y_axis, fills, hide=hide)
    if histogram is None:
        return None
    doubts = Doubts()
    for axis in (x_axis, y_axis):
        for code, message in axis.notes:
            doubts.add(code, message)
    if not histogram.is_even:
        doubts.add("uneven_bins", "the bins are not equally wide, so equal neighbours may have been taken for one bin")
    if len(y_axis.ticks) < 3:
        doubts.add("few_ticks", f"the value axis rests on {len(y_axis.ticks)} readable ticks")
    names = {entry.color: entry for entry in legend}
    value_title = title_beside(page, 0.0, y_axis.box.x_min, plot.y_min, plot.y_max)
    x_title = title_below(page, max(tick.box.y_max for tick in x_axis.ticks), plot.x_min, plot.x_max)
    unit = y_axis.unit or unit_in(value_title)
    series = figure_pb2.Series(
        name=value_title[:500],
        color=messages.color(palette.fills[histogram.fill].rgb),
        value_axis=figure_pb2.AXIS_DIMENSION_Y,
        unit=unit[:100],
        points=_points(histogram, x_axis, y_axis),
    )
    if histogram.fill in names:
        entry = names[histogram.fill]
        series.name = entry.name[:500]
        series.name_box.CopyFrom(entry.name_box.to_proto())
    ticks = [tick.box for axis in (x_axis, y_axis) for tick in axis.ticks]
    title, title_box = find_title(page, plot, exclude=[*ticks, *(entry.name_box for entry in legend)])
    chart = figure_pb2.Chart(
        type=figure_pb2.CHART_TYPE_HISTOGRAM,
        title=title[:2000],
        title_box=title_box.to_proto() if title_box is not None else None,
        plot_area=plot.to_proto(),
        axes=[
            messages.value_axis(x_axis, figure_pb2.AXIS_DIMENSION_X, x_title, unit_in(x_title)),
            messages.value_axis(y_axis, figure_pb2.AXIS_DIMENSION_Y, value_title, unit),
        ],
        series=[series],
        source_note=find_source(page),
    )
    boxes = [plot, x_axis.box, y_axis.box, *([title_box] if title_box else [])]
    figure = figure_pb2.Figure(
        figure_id="f1", box=union(boxes).clipped(page.width, page.height).to_proto(), chart=chart
    )
    figure.confidence = _confidence(histogram, x_axis)
    doubts.apply(figure)
    return figure


def _confidence(histogram: Histogram, x_axis: ValueAxis) -> float:
    """Return how sure the structure is: even bins, enough of them, whose sides a scale of many ticks measures."""
    bins = min(1.0, len(histogram.tops) / _MANY_BINS)
    ticks = min(1.0, len(x_axis.ticks) / _MANY_TICKS)
    return 0.4 + 0.3 * histogram.is_even + 0.12 * bins + 0.15 * ticks


def _points(histogram: Histogram, x_axis: ValueAxis, y_axis: ValueAxis) -> list[figure_pb2.DataPoint]:
    edges = [x_axis.fit.told(edge) for edge in histogram.edges]
    points = []
    for index, (low, high) in enumerate(itertools.pairwise(edges)):
        mark = histogram.box(index)
        top = histogram.tops[index]
        left, right = (
            messages.measured(
                number,
                PixelBox(edge - 1, mark.y_min, edge + 1, mark.y_max),
                _SURE_EDGE,
                position=x_axis.fit.pixel(number),
            )
            for number, edge in zip((low, high), histogram.edges[index : index + 2], strict=True)
        )
        points.append(
            figure_pb2.DataPoint(
                label=f"{low:g} – {high:g}",
                x=left,
                x_end=right,
                y=messages.measured(
                    y_axis.fit.value(top),
                    mark,
                    length_confidence(histogram.foot - top, y_axis.fit.residual_px),
                    position=top,
                ),
                mark_box=mark.to_proto(),
            )
        )
    return points
