"""Bar charts: bars, labels, axis and printed values put together and checked against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from loupe.type.v1 import figure_pb2
from loupe.type.v1.geometry_pb2 import Color
from servers.vision.charts import messages
from servers.vision.charts.axes.categories import CategoryLabel, labels_below, labels_beside
from servers.vision.charts.axes.ticks import ValueAxis
from servers.vision.charts.axes.titles import find_source, find_title, title_below, title_beside, unit_in
from servers.vision.charts.bars.bar import Bar, BarChart
from servers.vision.charts.bars.grouping import Grouping, group_bars, with_gaps_filled, with_ranked_fills
from servers.vision.charts.bars.headers import names_over_bars
from servers.vision.charts.bars.printed import PrintedValue, printed_values
from servers.vision.charts.bars.scale import BarScale, agreement, axis_for, bar_scale, length_confidence, without_strays
from servers.vision.charts.legends.legend import LegendEntry
from servers.vision.charts.picture.colors import Palette
from servers.vision.charts.picture.page import Page
from servers.vision.geometry import PixelBox, union

# Confidence of a printed value: recognition confirmed by geometry, unconfirmed, and contradicted.
_CONFIRMED, _UNCONFIRMED, _CONTRADICTED = 0.98, 0.85, 0.4


def bar_figure(
    page: Page, chart: BarChart, palette: Palette, axes: Sequence[ValueAxis], legend: Sequence[LegendEntry]
) -> figure_pb2.Figure | None:
    """Return the bars as a figure, or None where neither an axis nor a printed value gives them numbers."""
    chart = with_ranked_fills(chart)
    grouping = group_bars(chart, [entry.color for entry in legend])
    chart, grouping = with_gaps_filled(chart, grouping)
    axis = axis_for(chart, axes)
    taken = (
        [entry.name_box for entry in legend] + [tick.box for tick in axis.ticks]
        if axis
        else [e.name_box for e in legend]
    )
    labels = _labels(page, chart, grouping, axis, legend)
    boxes = [label.box for label in labels if label.box is not None]
    values = without_strays(chart, axis, printed_values(page, chart, palette, taken=[*taken, *boxes]))
    scale = bar_scale(chart, axis, values)
    if scale is None:
        return None
    if len(chart.bars) == 1 and not any(label.text for label in labels):
        return None  # one nameless rectangle is a banner or a frame
    readings = {
        index: _value(chart, bar, values.get(index), scale, axis, values) for index, bar in enumerate(chart.bars)
    }
    plot = _plot_area(chart, axis)
    series = _series(page, chart, grouping, palette, legend, labels, readings, plot)
    if not any(part.points for part in series):
        return None
    return _figure(page, chart, grouping, axis, scale, labels, series, plot, values, [*taken, *boxes])


def _labels(
    page: Page, chart: BarChart, grouping: Grouping, axis: ValueAxis | None, legend: Sequence[LegendEntry]
) -> list[CategoryLabel]:
    exclude = [entry.name_box for entry in legend]
    if chart.frame.vertical:
        bottom = max(max(bar.start, bar.end) for bar in chart.bars)
        if axis is not None:
            exclude += [tick.box for tick in axis.ticks]
            lowest = max(tick.position for tick in axis.ticks)
            below = labels_below(
                page,
                [grouping.center(chart, k) for k in range(len(grouping.groups))],
                max(bottom, lowest),
                exclude=exclude,
            )
            if any(label.text for label in below) or bottom >= lowest:
                return below
        return labels_below(
            page, [grouping.center(chart, k) for k in range(len(grouping.groups))], bottom, exclude=exclude
        )
    lefts = []
    for group in grouping.groups:
        starts = [min(bar.start, bar.end) for bar in chart.bars if bar.lane in group]
        lefts.append(min(starts) if starts else (chart.baseline or 0.0))
    if axis is not None:
        exclude += [tick.box for tick in axis.ticks]
    return labels_beside(page, [grouping.span(chart, k) for k in range(len(grouping.groups))], lefts, exclude=exclude)


def _value(
    chart: BarChart,
    bar: Bar,
    printed: PrintedValue | None,
    scale: BarScale,
    axis: ValueAxis | None,
    values: Mapping[int, PrintedValue],
) -> figure_pb2.Value | None:
    """Return the bar's value: the label where it holds against the geometry, else the measurement."""
    measured = scale.value(bar)
    length = abs(bar.end - bar.start)
    residual = scale.fit.residual_px if scale.fit else 0.7
    if printed is None:
        if length == 0:
            return None  # a place without bar and number: nothing is known
        return _measured(chart, bar, scale, length_confidence(length, residual))
    number = printed.number
    trusted = len(values) >= 3 and agreement(scale, chart, values) >= 0.6
    tolerance = scale.tolerance(measured, bar)
    for divisor in (1.0, 10.0, 100.0, 1000.0):
        # Recognition loses decimal points, never digits' places otherwise; a sign is lost with its thin dash.
        for sign in (1.0, -1.0):
            candidate = sign * number / divisor
            if abs(candidate - measured) <= tolerance and (divisor == 1.0 or trusted):
                confidence = _CONFIRMED if divisor == 1.0 else 0.8
                return messages.printed(
                    messages.clean_number(candidate) if divisor > 1 else candidate,
                    printed.text,
                    printed.box,
                    confidence,
                )
    lone = axis is None and len(values) < 3
    if length > 4 and not lone:
        # The label stays beside the measurement, so that their disagreement can be told.
        value = _measured(chart, bar, scale, min(0.7, length_confidence(length, residual)))
        value.printed = printed.text[:2000]
        return value
    return messages.printed(number, printed.text, printed.box, _UNCONFIRMED if lone else _CONTRADICTED)


def _measured(chart: BarChart, bar: Bar, scale: BarScale, confidence: float) -> figure_pb2.Value:
    position, base = (bar.end, scale.base(bar)) if scale.fit is not None else (None, None)
    return messages.measured(scale.value(bar), chart.box_of(bar), confidence, position=position, base=base)


def _plot_area(chart: BarChart, axis: ValueAxis | None) -> PixelBox:
    box = union(chart.box_of(bar) for bar in chart.bars)
    if axis is None:
        return box
    low, high = axis.ticks[0].position, axis.ticks[-1].position
    if chart.frame.vertical:
        return PixelBox(box.x_min, min(box.y_min, low), box.x_max, max(box.y_max, high))
    return PixelBox(min(box.x_min, low), box.y_min, max(box.x_max, high), box.y_max)


def _series(
    page: Page,
    chart: BarChart,
    grouping: Grouping,
    palette: Palette,
    legend: Sequence[LegendEntry],
    labels: Sequence[CategoryLabel],
    readings: Mapping[int, figure_pb2.Value | None],
    plot: PixelBox,
) -> list[figure_pb2.Series]:
    names = {entry.color: entry for entry in legend}
    fills = list(grouping.series) or [-1]
    over = names_over_bars(page, chart, palette, fills, plot) if not names and len(fills) > 1 else {}
    out = []
    for fill in fills:
        series = figure_pb2.Series(
            value_axis=figure_pb2.AXIS_DIMENSION_Y if chart.frame.vertical else figure_pb2.AXIS_DIMENSION_X
        )
        if fill >= 0:
            series.color.CopyFrom(messages.color(palette.fills[fill].rgb))
        else:
            series.color.CopyFrom(messages.color(palette.fills[chart.bars[0].fill].rgb))
        if fill in names:
            series.name = names[fill].name[:500]
            series.name_box.CopyFrom(names[fill].name_box.to_proto())
        elif fill in over:
            series.name = over[fill].text[:500]
            series.name_box.CopyFrom(over[fill].box.to_proto())
        for group, lanes in enumerate(grouping.groups):
            members = [index for index, bar in enumerate(chart.bars) if bar.lane in lanes and fill in (bar.fill, -1)]
            members = [index for index in members if readings[index] is not None]
            if not members:
                continue
            index = max(members, key=lambda k: abs(chart.bars[k].end - chart.bars[k].start))
            label = labels[group]
            point = figure_pb2.DataPoint(
                label=(label.text or str(group + 1))[:500],
                y=readings[index],
                mark_box=chart.box_of(chart.bars[index]).to_proto(),
                color=_color(palette, chart, chart.bars[index]),
            )
            if label.box is not None:
                point.label_box.CopyFrom(label.box.to_proto())
            series.points.append(point)
        out.append(series)
    return out


def _color(palette: Palette, chart: BarChart, bar: Bar) -> Color:
    """Return the colour that most of the bar has, which need not be its series'."""
    box = chart.box_of(bar)
    window = palette.labels[round(box.y_min) : round(box.y_max), round(box.x_min) : round(box.x_max)]
    fills = np.bincount(window[window >= 0], minlength=1)
    most = int(fills.argmax()) if fills.any() else bar.fill
    return messages.color(palette.fills[most].rgb)


def _figure(
    page: Page,
    chart: BarChart,
    grouping: Grouping,
    axis: ValueAxis | None,
    scale: BarScale,
    labels: Sequence[CategoryLabel],
    series: Sequence[figure_pb2.Series],
    plot: PixelBox,
    values: Mapping[int, PrintedValue],
    taken: Sequence[PixelBox],
) -> figure_pb2.Figure:
    vertical = chart.frame.vertical
    title, title_box = find_title(page, plot, exclude=taken)
    value_title = ""
    if axis is not None:
        value_title = (
            title_beside(page, 0.0, axis.box.x_min, plot.y_min, plot.y_max)
            if vertical
            else title_below(page, max(tick.box.y_max for tick in axis.ticks), plot.x_min, plot.x_max)
        )
    units = [value.unit for value in values.values() if value.unit]
    unit = max(set(units), key=units.count) if units else (axis.unit if axis and axis.unit else unit_in(value_title))
    along, across = (figure_pb2.AXIS_DIMENSION_Y, figure_pb2.AXIS_DIMENSION_X)
    if not vertical:
        along, across = across, along
    content = figure_pb2.Chart(
        type=_type(chart, grouping),
        title=title[:2000],
        plot_area=plot.to_proto(),
        series=series,
        source_note=find_source(page),
    )
    if title_box is not None:
        content.title_box.CopyFrom(title_box.to_proto())
    places = [(label.text, grouping.center(chart, k), label.box) for k, label in enumerate(labels)]
    content.axes.append(messages.category_axis(across, places))
    if axis is not None:
        content.axes.append(messages.value_axis(axis, along, value_title, unit))
    for part in content.series:
        part.unit = unit[:100]
        if not part.name and len(content.series) == 1 and value_title:
            part.name = value_title[:500]
    figure = figure_pb2.Figure(
        figure_id="f1", box=_extent(page, plot, labels, axis, title_box).to_proto(), chart=content
    )
    confirmed = agreement(scale, chart, values)
    figure.confidence = min(0.97, 0.6 + 0.2 * bool(axis) + 0.17 * (confirmed if values else 0.5))
    return figure


def _type(chart: BarChart, grouping: Grouping) -> figure_pb2.ChartType.ValueType:
    vertical = chart.frame.vertical
    if chart.stacked or (grouping.series and all(len(group) == 1 for group in grouping.groups)):
        return figure_pb2.CHART_TYPE_STACKED_BAR if vertical else figure_pb2.CHART_TYPE_HORIZONTAL_STACKED_BAR
    if grouping.series:
        return figure_pb2.CHART_TYPE_GROUPED_BAR if vertical else figure_pb2.CHART_TYPE_HORIZONTAL_GROUPED_BAR
    return figure_pb2.CHART_TYPE_BAR if vertical else figure_pb2.CHART_TYPE_HORIZONTAL_BAR


def _extent(
    page: Page, plot: PixelBox, labels: Sequence[CategoryLabel], axis: ValueAxis | None, title_box: PixelBox | None
) -> PixelBox:
    boxes = [plot, *(label.box for label in labels if label.box is not None)]
    boxes += [axis.box] if axis else []
    boxes += [title_box] if title_box else []
    return union(boxes).clipped(page.width, page.height)
