"""Pie and ring charts: slices, their words, and shares checked against angles."""

from __future__ import annotations

import math
from collections.abc import Sequence

from loupe.type.v1 import figure_pb2
from servers.vision.charts import messages
from servers.vision.charts.axes.titles import find_source, find_title
from servers.vision.charts.legends.legend import LegendEntry
from servers.vision.charts.picture.colors import Palette
from servers.vision.charts.picture.page import Page
from servers.vision.charts.pies.pie import Pie, Sector
from servers.vision.charts.pies.pie_labels import SliceText, assign, slice_texts, text_of
from servers.vision.geometry import PixelBox, union

_CONFIRMED, _MEASURED_SIGMA_DEG = 0.97, 1.0
_NAME_REACH = 1.35  # radii
_STATED_WITHIN = 3.5  # per cent of the whole


def pie_figure(page: Page, pie: Pie, palette: Palette, legend: Sequence[LegendEntry]) -> figure_pb2.Figure:
    """Return the pie as a figure: printed numbers where they fit their slice, else the slice's share in per cent."""
    entries = {entry.color: entry for entry in legend}
    stated = {entry.color: _stated(entry) for entry in legend}
    excluded = [entry.name_box for entry in legend]
    # Short words close to the disc name slices, even above it.
    near = [
        run.box
        for run in page.runs
        if len(run.words) <= 2 and pie.distance_of(run.box.center_x, run.box.center_y) < _NAME_REACH
    ]
    title, title_box = find_title(page, pie.box, exclude=[*excluded, *near])
    texts = slice_texts(page, pie, exclude=[*excluded, *([title_box] if title_box else [])])
    names, values = assign(pie, texts)
    values = [
        value or _fitting(stated.get(sector.fill), sector) for sector, value in zip(pie.sectors, values, strict=True)
    ]
    total = sum(abs(value.number) for value in values if value and value.number is not None)
    percent = any(value.unit == "%" for value in values if value) or not total > 0 or 90 <= total <= 110
    scale = 100.0 if percent else total / max(1e-9, sum(s.share for s, v in zip(pie.sectors, values, strict=True) if v))
    series = figure_pb2.Series(unit="%" if percent else "", value_axis=figure_pb2.AXIS_DIMENSION_Y)
    for index, (sector, name, value) in enumerate(zip(pie.sectors, names, values, strict=True)):
        entry = entries.get(sector.fill)
        read = stated.get(sector.fill)
        label = (read.name if read else entry.name) if entry else (name.name if name else "")
        point = figure_pb2.DataPoint(
            label=(label or f"slice {index + 1}")[:500],
            mark_box=_sector_box(pie, sector).to_proto(),
            color=messages.color(palette.fills[sector.fill].rgb),
        )
        label_box = entry.name_box if entry else (name.box if name else None)
        if label_box is not None:
            point.label_box.CopyFrom(label_box.to_proto())
        point.y.CopyFrom(_value(pie, sector, value, scale))
        series.points.append(point)
    chart = figure_pb2.Chart(
        type=figure_pb2.CHART_TYPE_DONUT if pie.is_ring else figure_pb2.CHART_TYPE_PIE,
        title=title[:2000],
        plot_area=pie.box.to_proto(),
        series=[series],
        source_note=find_source(page),
    )
    if title_box is not None:
        chart.title_box.CopyFrom(title_box.to_proto())
    boxes = [pie.box, *(text.box for text in texts), *excluded, *([title_box] if title_box else [])]
    return figure_pb2.Figure(
        figure_id="f1", box=union(boxes).clipped(page.width, page.height).to_proto(), chart=chart, confidence=0.95
    )


def _stated(entry: LegendEntry) -> SliceText | None:
    """Return a legend entry that ends with a percentage, parted into name and number."""
    text = text_of(entry.name, entry.name_box)
    return text if text.number is not None and text.unit == "%" and text.name else None


def _fitting(text: SliceText | None, sector: Sector) -> SliceText | None:
    """Return the percentage that a legend states for a slice, if the slice is about as large."""
    off = abs((text.number or 0.0) - 100.0 * sector.share) if text else 0.0
    return text if off <= _STATED_WITHIN else None


def _value(pie: Pie, sector: Sector, value: SliceText | None, scale: float) -> figure_pb2.Value:
    if value is not None and value.number is not None:
        return messages.printed(value.number, value.printed, value.box, _CONFIRMED)
    confidence = min(0.95, 0.05 * sector.sweep_deg / _MEASURED_SIGMA_DEG)
    return messages.measured(scale * sector.share, _sector_box(pie, sector), confidence)


def _sector_box(pie: Pie, sector: Sector) -> PixelBox:
    """Return the box around the slice's corner points and those of its arc."""
    angles = [sector.start_deg + sector.sweep_deg * k / 16 for k in range(17)]
    xs = [pie.x, *(pie.x + pie.radius * math.sin(math.radians(a)) for a in angles)]
    ys = [pie.y, *(pie.y - pie.radius * math.cos(math.radians(a)) for a in angles)]
    return PixelBox(min(xs), min(ys), max(xs), max(ys))
