"""Scatter charts: blobs measured against two axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loupe.type.v1 import figure_pb2
from servers.vision.charts import messages
from servers.vision.charts.calibration import AxisFit
from servers.vision.charts.colors import Palette
from servers.vision.charts.fidelity import Doubts
from servers.vision.charts.legend import LegendEntry, key_mask
from servers.vision.charts.page import Page
from servers.vision.charts.plot_area import choose_axes, find_plot_area
from servers.vision.charts.scatter import find_blobs
from servers.vision.charts.ticks import ValueAxis
from servers.vision.charts.time_places import marked_places
from servers.vision.charts.titles import find_source, find_title, title_below, title_beside, unit_in
from servers.vision.geometry import PixelBox, union


def scatter_figure(
    page: Page, palette: Palette, axes: Sequence[ValueAxis], fills: Sequence[int], legend: Sequence[LegendEntry]
) -> figure_pb2.Figure | None:
    """Return the image's points as a figure, or None where there are none or an axis is missing."""
    x_axis, y_axis, _ = choose_axes(page, axes)
    if x_axis is None or y_axis is None:
        return None
    plot = find_plot_area(page, palette, x_axis, y_axis)
    blobs = find_blobs(page, palette, plot.box, fills, hide=page.text_mask() | key_mask(page, legend))
    if len(blobs) < 4:
        return None
    doubts = Doubts()
    for code, message in (*x_axis.notes, *y_axis.notes):
        doubts.add(code, message)
    names = {entry.color: entry for entry in legend}
    order = [entry.color for entry in legend] + [blob.fill for blob in blobs]
    dates = {}
    if x_axis.dates is not None:
        columns = [blob.x for blob in blobs]
        dates = dict(zip(columns, marked_places(x_axis, columns), strict=True))
    series = []
    for fill in dict.fromkeys(order):
        members = sorted((blob for blob in blobs if blob.fill == fill), key=lambda blob: blob.x)
        if not members:
            continue
        part = figure_pb2.Series(color=messages.color(palette.fills[fill].rgb), value_axis=figure_pb2.AXIS_DIMENSION_Y)
        if fill in names:
            part.name = names[fill].name[:500]
            part.name_box.CopyFrom(names[fill].name_box.to_proto())
        for blob in members:
            x = messages.measured(x_axis.fit.told(blob.x), blob.box, _confidence(x_axis.fit, blob.x), position=blob.x)
            y = messages.measured(y_axis.fit.told(blob.y), blob.box, _confidence(y_axis.fit, blob.y), position=blob.y)
            label = f"{x.number:g}"
            if x_axis.dates is not None:
                label, x.number, x.confidence = dates[blob.x].label, dates[blob.x].number or 0.0, 0.9
            part.points.append(figure_pb2.DataPoint(label=label, x=x, y=y, mark_box=blob.box.to_proto()))
        series.append(part)
    if len(series) > 1 and any(not part.name for part in series):
        doubts.add("missing_series_names", "some point groups have no readable name")
    title, title_box = find_title(page, plot.box, exclude=[entry.name_box for entry in legend])
    y_title = title_beside(page, 0.0, y_axis.box.x_min, plot.box.y_min, plot.box.y_max)
    x_title = title_below(page, max(tick.box.y_max for tick in x_axis.ticks), plot.box.x_min, plot.box.x_max)
    chart = figure_pb2.Chart(
        type=figure_pb2.CHART_TYPE_SCATTER,
        title=title[:2000],
        plot_area=plot.box.to_proto(),
        axes=[
            messages.value_axis(x_axis, figure_pb2.AXIS_DIMENSION_X, x_title, unit_in(x_title)),
            messages.value_axis(y_axis, figure_pb2.AXIS_DIMENSION_Y, y_title, unit_in(y_title)),
        ],
        series=series,
        source_note=find_source(page),
    )
    if title_box is not None:
        chart.title_box.CopyFrom(title_box.to_proto())
    for part in chart.series:
        part.unit = unit_in(y_title)[:100]
        if not part.name and len(chart.series) == 1:
            part.name = y_title[:500]
    boxes: list[PixelBox] = [plot.box, y_axis.box, x_axis.box, *([title_box] if title_box else [])]
    figure = figure_pb2.Figure(
        figure_id="f1", box=union(boxes).clipped(page.width, page.height).to_proto(), chart=chart, confidence=0.9
    )
    doubts.apply(figure)
    return figure


def _confidence(fit: AxisFit, pixel: float) -> float:
    worth = abs(fit.value(pixel + 0.5) - fit.value(pixel - 0.5))
    return float(
        np.clip(
            1 - np.exp(-0.5 * 0.05 * abs(fit.value(pixel)) / max(worth * (0.5 + fit.residual_px), 1e-12)), 0.05, 0.95
        )
    )
