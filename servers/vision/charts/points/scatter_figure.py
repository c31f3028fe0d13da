"""Scatter charts: points measured against two axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loupe.type.v1 import figure_pb2
from servers.vision.charts import messages
from servers.vision.charts.axes.calibration import AxisFit
from servers.vision.charts.axes.plot_area import choose_axes, find_plot_area
from servers.vision.charts.axes.ticks import ValueAxis
from servers.vision.charts.axes.time_places import marked_places
from servers.vision.charts.axes.titles import find_source, find_title, title_below, title_beside, unit_in
from servers.vision.charts.fidelity import Doubts
from servers.vision.charts.legends.legend import LegendEntry, find_line_legend, key_mask
from servers.vision.charts.lines.line_keys import best_key
from servers.vision.charts.lines.stroke_colors import Color, Thin, find_thin, is_mix, line_colors
from servers.vision.charts.picture.colors import Palette
from servers.vision.charts.picture.page import Mask, Page
from servers.vision.charts.points.scatter import Blob, Cloud, find_cloud
from servers.vision.geometry import PixelBox, union

_LEAST_POINTS = 4
_SAME_COLOR = 16.0
_COINCIDE = 0.6  # of the points
_MANY_COLORS = 6  # from which points of one size in many colours are one series under a colour scale
_MOST_COLORS = 16
_FAINT = 0.4  # of a colour's contrast: below, a mix of it is a grid or an edge, above, a translucent mark
_GREY_CHROMA, _PLAIN_CHROMA = 4.0, 12.0
_LEAST_SPAN = 0.03  # of the plot's columns in which a colour of points is met


def scatter_figure(
    page: Page, palette: Palette, axes: Sequence[ValueAxis], fills: Sequence[int], legend: Sequence[LegendEntry]
) -> figure_pb2.Figure | None:
    """Return the image's points as a figure, or None where there are none or an axis is missing."""
    x_axis, y_axis, _ = choose_axes(page, axes)
    if x_axis is None or y_axis is None:
        return None
    plot = find_plot_area(page, palette, x_axis, y_axis)
    thin = find_thin(page, palette, plot, words=_words(page))
    if thin is None:
        return None
    thin.broad = []
    colors = _mark_colors(palette, fills, thin)
    legend = find_line_legend(page, colors, palette.papers, range(len(colors)))
    thin.hide(key_mask(page, legend))
    clouds = {}
    for index, color in enumerate(colors):
        others = [other for other in colors if other is not color and not is_mix(color, other, palette.papers[-1])]
        cloud = find_cloud(thin, color, others)
        if cloud is not None:
            clouds[index] = cloud
    clouds = _without_outlines(clouds)
    if sum(len(cloud.blobs) for cloud in clouds.values()) < _LEAST_POINTS:
        return None
    doubts = Doubts()
    for code, message in (*x_axis.notes, *y_axis.notes):
        doubts.add(code, message)
    if any(cloud.sized for cloud in clouds.values()):
        doubts.add("sizes_ignored", "the points differ in size; what that means was not read")
    unsure = sum(not blob.is_certain for cloud in clouds.values() for blob in cloud.blobs)
    if unsure > 0:
        doubts.add("points_overlap", f"{unsure} points touch others; their number is uncertain")
    groups = _grouped(page, clouds, colors, legend, thin)
    series = [_series(group, x_axis, y_axis) for group in groups]
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


def _words(page: Page) -> Mask:
    """Return where words of two letters and more stand, bool [h, w]; one may be a ring or a cross read as a letter."""
    mask = np.zeros(page.rgb.shape[:2], dtype=bool)
    for run in page.runs:
        for word in run.words:
            if len(run.words) > 2 or sum(letter.isalnum() for letter in word.text) > 1:
                x0, y0, x1, y1 = (round(edge) for edge in word.box.grown(1, 1).clipped(page.width, page.height))
                mask[y0:y1, x0:x1] = True
    return mask


def _mark_colors(palette: Palette, fills: Sequence[int], thin: Thin) -> list[Color]:
    """Return the colours of full marks and of thin ones, without those that overlaps of translucent marks make."""
    colors = [palette.fills[index].lab for index in fills]
    for color in line_colors(thin, least_span=_LEAST_SPAN):
        if all(float(np.linalg.norm(color - other)) > _SAME_COLOR for other in colors):
            colors.append(color)
    paper = palette.papers[-1]
    strength = [float(np.linalg.norm(color - paper)) for color in colors]
    faint = {
        index
        for index, color in enumerate(colors)
        if any(
            strength[index] < _FAINT * strength[at] and is_mix(color, colors[at], paper) for at in range(len(colors))
        )
    }
    kept: list[Color] = []
    for index, color in enumerate(colors):
        shade = any(
            (is_mix(other, color, paper) or is_mix(color, other, paper)) and _are_of_one_hue(color, other)
            for other in kept
        )
        if index not in faint and not shade and len(kept) < _MOST_COLORS:
            kept.append(color)
    return kept


def _are_of_one_hue(color: Color, other: Color) -> bool:
    """Tell whether neither colour is a grey where the other is none: a grid's grey is no shade of blue marks."""
    weak, strong = sorted(float(np.hypot(one[1], one[2])) for one in (color, other))
    return weak > _GREY_CHROMA or strong < _PLAIN_CHROMA


def _without_outlines(clouds: dict[int, Cloud]) -> dict[int, Cloud]:
    """Return the clouds without those that are the outlines or the shine of another's marks: the same places."""
    kept: dict[int, Cloud] = {}
    for index, cloud in sorted(clouds.items(), key=lambda item: -float(np.hypot(item[1].color[1], item[1].color[2]))):
        if not any(_coincide(cloud, other) for other in kept.values()):
            kept[index] = cloud
    return kept


def _coincide(cloud: Cloud, other: Cloud) -> bool:
    near = np.array([(blob.x, blob.y) for blob in other.blobs])
    size = float(np.median([blob.box.width for blob in other.blobs]))
    here = sum(bool(np.hypot(near[:, 0] - blob.x, near[:, 1] - blob.y).min() < 0.7 * size) for blob in cloud.blobs)
    return here > _COINCIDE * len(cloud.blobs)


Group = tuple[Color, list[Blob], LegendEntry | None]


def _grouped(
    page: Page, clouds: dict[int, Cloud], colors: Sequence[Color], legend: Sequence[LegendEntry], thin: Thin
) -> list[Group]:
    """Return the points of each series: by colour, and within a colour by the legend's shapes."""
    groups: list[Group] = []
    for index, cloud in clouds.items():
        entries = [entry for entry in legend if entry.color == index]
        if len(entries) < 2:
            groups.append((cloud.color, list(cloud.blobs), entries[0] if entries else None))
            continue
        places = [(blob.x - thin.x0, blob.y - thin.y0) for blob in cloud.blobs]
        keys = best_key(page, entries, cloud.color, thin.palette.papers, cloud.coverage, places)
        for number, entry in enumerate(entries):
            members = [blob for blob, key in zip(cloud.blobs, keys, strict=True) if key == number]
            if members:
                groups.append((cloud.color, members, entry))
    order = {entry.name_box: place for place, entry in enumerate(legend)}
    return sorted(groups, key=lambda group: order.get(group[2].name_box, len(order)) if group[2] else len(order))


def _series(group: Group, x_axis: ValueAxis, y_axis: ValueAxis) -> figure_pb2.Series:
    color, blobs, entry = group
    part = figure_pb2.Series(color=messages.color(messages.rgb_of(color)), value_axis=figure_pb2.AXIS_DIMENSION_Y)
    if entry is not None:
        part.name = entry.name[:500]
        part.name_box.CopyFrom(entry.name_box.to_proto())
    members = sorted(blobs, key=lambda blob: (blob.x, blob.y))
    dates = marked_places(x_axis, [blob.x for blob in members]) if x_axis.dates is not None else None
    for place, blob in enumerate(members):
        sure = 1.0 if blob.is_certain else 0.8
        x_sure, y_sure = sure * _confidence(x_axis.fit, blob.x), sure * _confidence(y_axis.fit, blob.y)
        x = messages.measured(x_axis.fit.told(blob.x), blob.box, x_sure, position=blob.x)
        y = messages.measured(y_axis.fit.told(blob.y), blob.box, y_sure, position=blob.y)
        label = f"{x.number:g}"
        if dates is not None:
            label, x.number, x.confidence = dates[place].label, dates[place].number or 0.0, 0.9
        part.points.append(figure_pb2.DataPoint(label=label, x=x, y=y, mark_box=blob.box.to_proto()))
    return part


def _confidence(fit: AxisFit, pixel: float) -> float:
    worth = abs(fit.value(pixel + 0.5) - fit.value(pixel - 0.5))
    return float(
        np.clip(
            1 - np.exp(-0.5 * 0.05 * abs(fit.value(pixel)) / max(worth * (0.5 + fit.residual_px), 1e-12)), 0.05, 0.95
        )
    )
