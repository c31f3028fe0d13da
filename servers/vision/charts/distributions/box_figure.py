"""Box plots as figures: five series of one point a box, and the points that stand apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loupe.type.v1 import figure_pb2
from loupe.type.v1.geometry_pb2 import Color
from servers.vision.charts import messages
from servers.vision.charts.axes.categories import CategoryLabel, labels_below, labels_beside
from servers.vision.charts.axes.plot_area import PlotArea, choose_axes, find_plot_area
from servers.vision.charts.axes.titles import find_source, find_title, title_below, title_beside, unit_in
from servers.vision.charts.axes.value_axis import ValueAxis
from servers.vision.charts.bars.frame import Frame
from servers.vision.charts.bars.scale import length_confidence
from servers.vision.charts.distributions.boxes import Box, find_boxes
from servers.vision.charts.fidelity import Doubts
from servers.vision.charts.legends.legend import LegendEntry, key_mask
from servers.vision.charts.picture.colors import Palette, distance_from
from servers.vision.charts.picture.page import Mask, Page
from servers.vision.geometry import PixelBox, union

SERIES = ("lower whisker", "lower quartile", "median", "upper quartile", "upper whisker")
OUTLIER = "outlier"
_WIDEST = 0.6  # of the plot
_MARK = 10.0  # colour difference of marks from the paper


def box_figure(
    page: Page, palette: Palette, axes: Sequence[ValueAxis], legend: Sequence[LegendEntry]
) -> figure_pb2.Figure | None:
    """Return the image's box plot as a figure, or None where there is none or no axis measures it."""
    x_axis, y_axis, _ = choose_axes(page, axes)
    best: tuple[list[Box], Frame, ValueAxis, PlotArea] | None = None
    for frame, axis in ((Frame(vertical=True), y_axis), (Frame(vertical=False), x_axis)):
        if axis is None or axis.is_years or axis.dates is not None:
            continue
        plot = find_plot_area(page, palette, None if frame.vertical else axis, axis if frame.vertical else None)
        across = plot.box.width if frame.vertical else plot.box.height
        boxes = find_boxes(
            _marks(page, palette, plot, legend),
            page.lab,
            frame,
            dash_gap_px=max(6.0, 0.7 * page.text_height),
            widest_px=_WIDEST * across,
        )
        if boxes and (best is None or len(boxes) > len(best[0])):
            best = boxes, frame, axis, plot
    return _figure(page, *best, legend) if best is not None else None


def _marks(page: Page, palette: Palette, plot: PlotArea, legend: Sequence[LegendEntry]) -> Mask:
    """Return the pixels of marks; whiskers often run along a grid line and are stronger than it."""
    away = distance_from(page, palette.papers)
    x0, y0, x1, y1 = (round(edge) for edge in plot.box)
    window = away[y0:y1, x0:x1]
    marks = np.zeros(away.shape, dtype=bool)
    if not window.size:
        return marks
    usual = np.maximum(np.median(window, axis=0)[None, :], np.median(window, axis=1)[:, None])
    is_rule = plot.rules[y0:y1, x0:x1] & (window <= usual + _MARK)
    marks[y0:y1, x0:x1] = (window > _MARK) & ~is_rule
    return marks & ~page.text_mask(sure_only=True) & ~key_mask(page, legend)


def _figure(
    page: Page, boxes: Sequence[Box], frame: Frame, axis: ValueAxis, plot: PlotArea, legend: Sequence[LegendEntry]
) -> figure_pb2.Figure:
    doubts = Doubts()
    for code, message in axis.notes:
        doubts.add(code, message)
    if len(axis.ticks) < 3:
        doubts.add("few_ticks", f"the value axis rests on {len(axis.ticks)} readable ticks")
    labels = _labels(page, boxes, frame, axis, plot.box, legend)
    if sum(bool(label.text) for label in labels) * 2 < len(labels):
        doubts.add("missing_category_labels", "most boxes have no readable category label")
    along, across = figure_pb2.AXIS_DIMENSION_Y, figure_pb2.AXIS_DIMENSION_X
    if not frame.vertical:
        along, across = across, along
    body = union(frame.box(box.across, box.body) for box in boxes)
    value_title = (
        title_beside(page, 0.0, axis.box.x_min, plot.box.y_min, plot.box.y_max)
        if frame.vertical
        else title_below(page, max(tick.box.y_max for tick in axis.ticks), plot.box.x_min, plot.box.x_max)
    )
    unit = axis.unit or unit_in(value_title)
    taken = [tick.box for tick in axis.ticks] + [label.box for label in labels if label.box is not None]
    title, title_box = find_title(page, PixelBox(body.x_min, min(plot.box.y_min, body.y_min), *body[2:]), exclude=taken)
    places = [(label.text, sum(box.across) / 2, label.box) for label, box in zip(labels, boxes, strict=True)]
    chart = figure_pb2.Chart(
        type=figure_pb2.CHART_TYPE_BOX,
        title=title[:2000],
        title_box=title_box.to_proto() if title_box is not None else None,
        plot_area=plot.box.to_proto(),
        axes=[messages.category_axis(across, places), messages.value_axis(axis, along, value_title, unit)],
        series=_series(page, boxes, frame, axis, labels, along, unit),
        source_note=find_source(page),
    )
    around = [body, axis.box, *taken, *([title_box] if title_box else [])]
    figure = figure_pb2.Figure(
        figure_id="f1", box=union(around).clipped(page.width, page.height).to_proto(), chart=chart
    )
    figure.confidence = _structure(boxes, labels)
    doubts.apply(figure)
    return figure


def _structure(boxes: Sequence[Box], labels: Sequence[CategoryLabel]) -> float:
    """Return how sure the structure is: boxes with whiskers at both ends and names, of which there are several."""
    whiskers = sum((box.low_whisker != box.low_quartile) + (box.high_whisker != box.high_quartile) for box in boxes) / (
        2 * len(boxes)
    )
    named = sum(bool(label.text) for label in labels) / len(boxes)
    return 0.3 + 0.3 * whiskers + 0.27 * named + 0.1 * min(1.0, len(boxes) / 2)


def _labels(
    page: Page, boxes: Sequence[Box], frame: Frame, axis: ValueAxis, plot: PixelBox, legend: Sequence[LegendEntry]
) -> list[CategoryLabel]:
    exclude = [entry.name_box for entry in legend] + [tick.box for tick in axis.ticks]
    centers = [sum(box.across) / 2 for box in boxes]
    if frame.vertical:
        lowest = max(max(box.low_whisker, *box.outliers) if box.outliers else box.low_whisker for box in boxes)
        return labels_below(page, centers, max(lowest, axis.ticks[-1].position, plot.y_max - 2), exclude=exclude)
    left = min(min(box.low_whisker, *box.outliers) if box.outliers else box.low_whisker for box in boxes)
    return labels_beside(page, [box.across for box in boxes], [left] * len(boxes), exclude=exclude)


def _series(
    page: Page,
    boxes: Sequence[Box],
    frame: Frame,
    axis: ValueAxis,
    labels: Sequence[CategoryLabel],
    along: figure_pb2.AxisDimension.ValueType,
    unit: str,
) -> list[figure_pb2.Series]:
    out = []
    names = [label.text or str(index + 1) for index, label in enumerate(labels)]
    read = [(box.low_whisker, box.low_quartile, box.median, box.high_quartile, box.high_whisker) for box in boxes]
    for index, name in enumerate((*SERIES, OUTLIER)):
        series = figure_pb2.Series(name=name, value_axis=along, unit=unit[:100])
        for box, places, label, text in zip(boxes, read, labels, names, strict=True):
            for place in box.outliers if name == OUTLIER else (places[index],):
                mark = frame.box(box.across, (place - 1.5, place + 1.5))
                point = figure_pb2.DataPoint(
                    label=text[:500],
                    y=messages.measured(axis.fit.value(place), mark, _confidence(axis, place), position=place),
                    mark_box=frame.box(box.across, box.body).to_proto() if name != OUTLIER else mark.to_proto(),
                    color=_color(page, frame, box),
                )
                if label.box is not None:
                    point.label_box.CopyFrom(label.box.to_proto())
                series.points.append(point)
        if series.points:
            series.color.CopyFrom(series.points[0].color)
            out.append(series)
    return out


def _confidence(axis: ValueAxis, place: float) -> float:
    """Return the confidence of a height: its distance from zero in pixels, or on a log axis a decade's share."""
    if axis.fit.log:
        return length_confidence(1 / max(abs(axis.fit.slope), 1e-9), axis.fit.residual_px)
    return length_confidence(axis.fit.pixel(0.0) - place, axis.fit.residual_px)


def _color(page: Page, frame: Frame, box: Box) -> Color:
    along, across = box.rgb_at
    row, column = (along, across) if frame.vertical else (across, along)
    red, green, blue = (int(part) for part in page.rgb[min(row, page.height - 1), min(column, page.width - 1)])
    return messages.color((red, green, blue))
