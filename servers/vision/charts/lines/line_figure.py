"""Line charts: traced lines read at labelled places or markers, and checked against printed values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loupe.type.v1 import figure_pb2
from servers.vision.charts import messages
from servers.vision.charts.axes.calibration import AxisFit
from servers.vision.charts.axes.places import Place, read_places
from servers.vision.charts.axes.plot_area import PlotArea, choose_axes, find_plot_area
from servers.vision.charts.axes.second_axis import bind_series
from servers.vision.charts.axes.ticks import ValueAxis
from servers.vision.charts.axes.titles import find_source, find_title, title_below, title_beside, unit_in
from servers.vision.charts.fidelity import Doubts
from servers.vision.charts.legends.legend import LegendEntry, find_line_legend, legend_mask
from servers.vision.charts.lines.direct_labels import name_strokes
from servers.vision.charts.lines.line_keys import bind
from servers.vision.charts.lines.line_points import Printed, fit_by_labels, printed_numbers, read_point
from servers.vision.charts.lines.plausible import plausible_strokes
from servers.vision.charts.lines.stroke_colors import find_thin, line_colors
from servers.vision.charts.lines.strokes import Stroke, trace, vertices
from servers.vision.charts.picture.colors import Palette
from servers.vision.charts.picture.page import Page
from servers.vision.geometry import PixelBox, union

_UNLABELLED = 1.5  # markers for each labelled place, from which on the labels are not of all the data
_FEW_BENDS, _MANY_BENDS = 12, 3  # so many, or so many times those of the straightest line, may be data


def line_figure(page: Page, palette: Palette, axes: Sequence[ValueAxis]) -> figure_pb2.Figure | None:
    """Return the image's lines as a figure, or None where there is no line or nothing that gives it values."""
    x_axis, y_axis, second = choose_axes(page, axes)
    plot = find_plot_area(page, palette, x_axis, y_axis)
    text = page.text_mask(sure_only=True)
    thin = find_thin(page, palette, plot, words=text)
    if thin is None:
        return None
    colors = line_colors(thin)
    legend = find_line_legend(page, colors, palette.papers, range(len(colors)))
    inside = [entry for entry in legend if plot.box.contains_point(entry.key_box.center_x, entry.key_box.center_y)]
    if inside:
        thin.hide(legend_mask(page, inside))
    most = [max(1, sum(entry.color == index for entry in legend)) if legend else 3 for index in range(len(colors))]
    strokes = trace(thin, colors, most)
    legend = bind(page, strokes, legend, palette.papers)
    strokes, legend = plausible_strokes(strokes, legend, palette.papers[-1])
    if not strokes:
        return None
    return _figure(page, plot, strokes, legend, x_axis, y_axis, second)


def _figure(
    page: Page,
    plot: PlotArea,
    strokes: Sequence[Stroke],
    legend: Sequence[LegendEntry],
    x_axis: ValueAxis | None,
    y_axis: ValueAxis | None,
    second: ValueAxis | None,
) -> figure_pb2.Figure | None:
    doubts = Doubts()
    for code, message in (*(x_axis.notes if x_axis else ()), *(y_axis.notes if y_axis else ())):
        doubts.add(code, message)
    exclude = [entry.name_box for entry in legend] + [
        tick.box for axis in (y_axis, second) if axis is not None for tick in axis.ticks
    ]
    box = _tight(plot.box, strokes) if y_axis is None else plot.box
    markers = _marker_columns(strokes)
    bends = _bends(strokes)
    along = read_places(page, box, x_axis, markers, bends, exclude=exclude)
    places, x_axis = along.places, along.axis
    if len(places) < 2:
        return None
    if x_axis is None and len(markers) > _UNLABELLED * len(places):
        told = f"markers stand at {len(markers)} places, of which {len(places)} are labelled; only those are read"
        doubts.add("points_between_labels", told)
    taken = [*exclude, *(place.box for place in places if place.box is not None)]
    numbers = printed_numbers(page, box, taken)
    fit = y_axis.fit if y_axis is not None else fit_by_labels(strokes, numbers, page.text_height)
    if fit is None:
        reason = "lines were found, but neither a readable value axis nor printed values give them a scale"
        page.cuts.add("no_scale", reason)
        return None
    if y_axis is None:
        doubts.add("no_value_axis", "no axis could be read; the scale comes from printed values")
    elif len(y_axis.ticks) < 3:
        doubts.add("few_ticks", f"the value axis rests on {len(y_axis.ticks)} readable ticks")
    spacing = float(np.median(np.diff([place.x for place in places])))
    names = name_strokes(page, strokes, legend, box, taken)
    bound = None
    if y_axis is not None and second is not None:
        lines = [names[k].text if k in names else "" for k in range(len(strokes))]
        bound = bind_series(page, box, y_axis, second, [stroke.lab for stroke in strokes], lines)
        if not bound.is_told:
            doubts.add("axis_not_told", "nothing tells which of the two value axes measures which line")
    series = []
    used: set[int] = set()
    for index, stroke in enumerate(strokes):
        part = figure_pb2.Series(value_axis=figure_pb2.AXIS_DIMENSION_Y, color=messages.color(stroke.rgb))
        if index in names:
            part.name = names[index].text[:500]
            part.name_box.CopyFrom(names[index].box.to_proto())
        elif bound is not None:
            part.name = bound.own_title(index, len(strokes))[:500]
        scale = fit
        if bound is not None and second is not None and index in bound.on_second:
            part.value_axis, scale = figure_pb2.AXIS_DIMENSION_Y2, second.fit
        for place in places:
            y = stroke.at(place.x, 0.12 * spacing)
            if y is not None:
                part.points.append(read_point(place, y, stroke, scale, numbers, used, page, spacing, box))
        if len(part.points) >= 2 or len(places) == 2:
            series.append(part)
    if not series:
        return None
    if len(series) > 1 and any(not part.name for part in series):
        doubts.add("missing_series_names", "some lines have no readable name")
    hidden = _hidden_points(series, places, legend, box)
    if hidden:
        doubts.add("hidden_by_legend", f"{hidden} points may be under the legend; none was made up for them")
    figure = _message(page, box, series, places, x_axis, y_axis, fit, numbers, doubts, taken)
    if bound is not None and second is not None:
        title = bound.titles[1]
        unit = second.unit or unit_in(title)
        figure.chart.axes.append(messages.value_axis(second, figure_pb2.AXIS_DIMENSION_Y2, title, unit))
        for part in figure.chart.series:
            if part.value_axis == figure_pb2.AXIS_DIMENSION_Y2:
                part.unit = unit[:100]
    return figure


def _bends(strokes: Sequence[Stroke]) -> list[float]:
    """Return the x at which lines bend, without those that bend far more often than others: their course is noise."""
    found = [vertices(stroke) for stroke in strokes]
    most = max(_FEW_BENDS, _MANY_BENDS * min(len(bends) for bends in found))
    return [x for bends in found if len(bends) <= most for x in bends]


def _hidden_points(
    series: Sequence[figure_pb2.Series], places: Sequence[Place], legend: Sequence[LegendEntry], plot: PixelBox
) -> int:
    """Return how many places under a legend inside the plot have no value of a line."""
    inside = [entry for entry in legend if plot.contains_point(entry.key_box.center_x, entry.key_box.center_y)]
    if not inside:
        return 0
    cover = union(box for entry in inside for box in (entry.key_box, entry.name_box))
    under = {place.label for place in places if cover.x_min <= place.x <= cover.x_max}
    return sum(len(under - {point.label for point in part.points}) for part in series)


def _marker_columns(strokes: Sequence[Stroke]) -> list[float]:
    """Return the x at which markers stand, those of several lines at one x as one."""
    xs = sorted(x for stroke in strokes for x, _ in stroke.markers if len(stroke.markers) >= 3)
    groups: list[list[float]] = []
    for x in xs:
        if groups and x - groups[-1][-1] <= 4:
            groups[-1].append(x)
        else:
            groups.append([x])
    return [float(np.median(group)) for group in groups]


def _tight(box: PixelBox, strokes: Sequence[Stroke]) -> PixelBox:
    """Return the box around the strokes, where no axis says how far the plot reaches."""
    return PixelBox(
        min(float(stroke.x0) for stroke in strokes),
        min(float(np.nanmin(stroke.y)) for stroke in strokes),
        max(float(stroke.x1) for stroke in strokes),
        max(float(np.nanmax(stroke.y)) for stroke in strokes),
    )


def _message(
    page: Page,
    box: PixelBox,
    series: Sequence[figure_pb2.Series],
    places: Sequence[Place],
    x_axis: ValueAxis | None,
    y_axis: ValueAxis | None,
    fit: AxisFit,
    numbers: Sequence[Printed],
    doubts: Doubts,
    taken: Sequence[PixelBox],
) -> figure_pb2.Figure:
    title, title_box = find_title(page, box, exclude=taken)
    value_title = title_beside(page, 0.0, y_axis.box.x_min, box.y_min, box.y_max) if y_axis else ""
    labels = [place.box for place in places if place.box is not None]
    x_title = title_below(page, max((b.y_max for b in labels), default=box.y_max), box.x_min, box.x_max)
    units = [unit for _, _, unit in numbers if unit]
    unit = (
        (y_axis.unit if y_axis else "") or (max(set(units), key=units.count) if units else "") or unit_in(value_title)
    )
    chart = figure_pb2.Chart(
        type=figure_pb2.CHART_TYPE_LINE,
        title=title[:2000],
        plot_area=box.to_proto(),
        series=series,
        source_note=find_source(page),
    )
    if title_box is not None:
        chart.title_box.CopyFrom(title_box.to_proto())
    if x_axis is not None:
        chart.axes.append(messages.value_axis(x_axis, figure_pb2.AXIS_DIMENSION_X, x_title, ""))
    else:
        chart.axes.append(
            messages.category_axis(figure_pb2.AXIS_DIMENSION_X, [(p.label, p.x, p.box) for p in places], x_title)
        )
    if y_axis is not None:
        chart.axes.append(messages.value_axis(y_axis, figure_pb2.AXIS_DIMENSION_Y, value_title, unit))
    else:
        chart.axes.append(
            figure_pb2.Axis(
                dimension=figure_pb2.AXIS_DIMENSION_Y,
                scale=figure_pb2.AXIS_SCALE_LINEAR,
                unit=unit[:100],
                calibration=fit.to_proto(),
            )
        )
    for part in chart.series:
        part.unit = unit[:100]
        if not part.name and len(chart.series) == 1:
            part.name = value_title[:500]
    boxes = [box, *labels, *([y_axis.box] if y_axis else []), *([title_box] if title_box else [])]
    figure = figure_pb2.Figure(
        figure_id="f1",
        box=union(boxes).clipped(page.width, page.height).to_proto(),
        chart=chart,
        confidence=0.9 if y_axis else 0.75,
    )
    doubts.apply(figure)
    return figure
