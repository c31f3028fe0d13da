"""Area charts: each fill's height read at labelled places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loupe.type.v1 import figure_pb2
from servers.vision.charts import messages
from servers.vision.charts.areas.areas import Area, are_stacked, find_areas, touching_share, without_panel
from servers.vision.charts.axes.places import read_places, x_value
from servers.vision.charts.axes.plot_area import choose_axes, find_plot_area
from servers.vision.charts.axes.ticks import ValueAxis
from servers.vision.charts.axes.titles import find_source, find_title, title_below, title_beside, unit_in
from servers.vision.charts.fidelity import Doubts
from servers.vision.charts.legends.legend import LegendEntry, find_line_legend, key_mask
from servers.vision.charts.lines.strokes import vertices
from servers.vision.charts.picture.colors import Palette
from servers.vision.charts.picture.page import Page, quantity
from servers.vision.charts.picture.reach import with_room_above
from servers.vision.geometry import PixelBox, union

_FOOT_PX = 6.0
_FEWEST_TICKS = 3
_BESIDE = 4.0  # letter heights
_EDGE_PX = 2.5  # edges of fills are whole pixels and may carry an outline


def area_figure(
    page: Page, palette: Palette, axes: Sequence[ValueAxis], fills: Sequence[int], legend: Sequence[LegendEntry]
) -> figure_pb2.Figure | None:
    """Return the image's areas as a figure, or None where there are none or no axis measures them."""
    x_axis, y_axis, _ = choose_axes(page, axes)
    if y_axis is None:
        return None
    if x_axis is not None and len(x_axis.ticks) < _FEWEST_TICKS:
        x_axis = None  # two words read as numbers are no axis
    plot = find_plot_area(page, palette, x_axis, y_axis)
    rows = find_line_legend(page, [palette.fills[fill].lab for fill in fills], palette.papers)
    if len(rows) > len(legend):
        legend = [LegendEntry(fills[row.color], row.name, row.name_box, row.key_box) for row in rows]
    room = with_room_above(plot.box, y_axis)
    areas = find_areas(palette, room, fills, hide=page.text_mask() | key_mask(page, legend))
    areas = without_panel(areas, palette, [entry.color for entry in legend])
    if not areas or not _stands_on_axis(areas[0], y_axis, plot.box):
        return None
    exclude = [entry.name_box for entry in legend] + [tick.box for tick in y_axis.ticks]
    bends = [x for area in areas for x in vertices(area.top, _EDGE_PX)] if x_axis is not None else []
    along = read_places(page, plot.box, x_axis, [], bends, exclude=exclude)
    places, x_axis = along.places, along.axis
    if len(places) < 2:
        return None
    doubts = Doubts()
    for code, message in (*(x_axis.notes if x_axis else ()), *y_axis.notes):
        doubts.add(code, message)
    stacked = are_stacked(areas)
    names = {entry.color: entry for entry in legend} or _names_beside(page, areas, plot.box)
    spacing = float(np.median(np.diff([place.x for place in places])))
    series = []
    for area in _ordered(areas, legend):
        part = figure_pb2.Series(
            color=messages.color(palette.fills[area.fill].rgb), value_axis=figure_pb2.AXIS_DIMENSION_Y
        )
        if area.fill in names:
            part.name = names[area.fill].name[:500]
            part.name_box.CopyFrom(names[area.fill].name_box.to_proto())
        for place in places:
            top, bottom = area.top.at(place.x, 0.12 * spacing), area.bottom.at(place.x, 0.12 * spacing)
            if top is None or bottom is None:
                continue
            value = y_axis.fit.value(top) - (y_axis.fit.value(bottom) if stacked else 0.0)
            mark = PixelBox(place.x - 1, top, place.x + 1, max(bottom, top + 1))
            sigma = (0.7 + y_axis.fit.residual_px) * abs(y_axis.fit.slope) * (1.4 if stacked else 1.0)
            confidence = float(np.clip(1 - np.exp(-0.5 * 0.05 * abs(value) / max(sigma, 1e-12)), 0.05, 0.95))
            point = figure_pb2.DataPoint(
                label=place.label[:500],
                y=messages.measured(value, mark, confidence, position=top, base=bottom if stacked else None),
                mark_box=mark.to_proto(),
            )
            if place.box is not None:
                point.label_box.CopyFrom(place.box.to_proto())
            if place.number is not None:
                point.x.CopyFrom(x_value(place, place.number, plot.box.y_max))
            part.points.append(point)
        series.append(part)
    if len(series) > 1 and any(not part.name for part in series):
        doubts.add("missing_series_names", "some areas have no readable name")
    title, title_box = find_title(page, plot.box, exclude=exclude)
    value_title = title_beside(page, 0.0, y_axis.box.x_min, plot.box.y_min, plot.box.y_max)
    labels = [place.box for place in places if place.box is not None]
    x_title = title_below(
        page, max((box.y_max for box in labels), default=plot.box.y_max), plot.box.x_min, plot.box.x_max
    )
    unit = y_axis.unit or unit_in(value_title)
    chart = figure_pb2.Chart(
        type=figure_pb2.CHART_TYPE_STACKED_AREA if stacked else figure_pb2.CHART_TYPE_AREA,
        title=title[:2000],
        plot_area=plot.box.to_proto(),
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
    chart.axes.append(messages.value_axis(y_axis, figure_pb2.AXIS_DIMENSION_Y, value_title, unit))
    for part in chart.series:
        part.unit = unit[:100]
        if not part.name and len(chart.series) == 1:
            part.name = value_title[:500]
    boxes = [plot.box, y_axis.box, *labels, *([title_box] if title_box else [])]
    figure = figure_pb2.Figure(
        figure_id="f1", box=union(boxes).clipped(page.width, page.height).to_proto(), chart=chart
    )
    figure.confidence = _confidence(areas, y_axis, plot.box, stacked, sum(bool(part.name) for part in series))
    doubts.apply(figure)
    return figure


def _names_beside(page: Page, areas: Sequence[Area], plot: PixelBox) -> dict[int, LegendEntry]:
    """Return the words right of the plot at each area's end, by fill, if every area has some."""
    height = page.text_height
    found: dict[int, LegendEntry] = {}
    for area in areas:
        top, bottom, end = float(area.top.y[-1]), float(area.bottom.y[-1]), float(area.top.x1)
        beside = [
            run
            for run in page.runs
            if end - height < run.box.x_min < end + _BESIDE * height
            and top - 0.5 * height <= run.box.center_y <= bottom + 0.5 * height
            and quantity(run.text) is None
            and run.box.center_y < plot.y_max
        ]
        if beside:
            run = min(beside, key=lambda run: abs(run.box.center_y - (top + bottom) / 2))
            found[area.fill] = LegendEntry(area.fill, run.text.strip(" |_-"), run.box, run.box)
    return found if len(found) == len(areas) else {}


def _confidence(areas: Sequence[Area], axis: ValueAxis, box: PixelBox, stacked: bool, named: int) -> float:
    """Return how sure the structure is: areas that stand on zero and on each other, each with a name."""
    touching = touching_share(areas) if stacked else 1.0
    names = named / len(areas) if len(areas) > 1 else 1.0
    return 0.4 + 0.2 * _on_foot(areas[0], axis, box) + 0.2 * touching + 0.17 * names


def _stands_on_axis(area: Area, axis: ValueAxis, box: PixelBox) -> bool:
    """Tell whether the lowest area begins at zero or at the plot's foot in most columns."""
    return _on_foot(area, axis, box) > 0.6


def _on_foot(area: Area, axis: ValueAxis, box: PixelBox) -> float:
    foot = box.y_max if axis.fit.log else min(axis.fit.pixel(0.0), box.y_max)
    return float((np.abs(area.bottom.y - foot) <= _FOOT_PX).mean())


def _ordered(areas: Sequence[Area], legend: Sequence[LegendEntry]) -> list[Area]:
    order = {entry.color: index for index, entry in enumerate(legend)}
    return sorted(areas, key=lambda area: order.get(area.fill, len(order)))
