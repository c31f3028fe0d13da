"""Reads the charts of an image: the entrance of this package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loupe.type.v1 import figure_pb2
from servers.vision.charts.areas.area_figure import area_figure
from servers.vision.charts.axes.ticks import ValueAxis, find_value_axes
from servers.vision.charts.axes.titles import find_title
from servers.vision.charts.bars.bar_figure import bar_figure
from servers.vision.charts.bars.bars import find_bars
from servers.vision.charts.bars.combo import add_line
from servers.vision.charts.distributions.box_figure import box_figure
from servers.vision.charts.distributions.histogram_figure import histogram_figure
from servers.vision.charts.fidelity import tell
from servers.vision.charts.legends.legend import find_legend
from servers.vision.charts.legends.shared_legend import name_by_shared_legend
from servers.vision.charts.lines.line_figure import line_figure
from servers.vision.charts.panels.evidence import drawing_of, find_frames
from servers.vision.charts.panels.panels import find_panels
from servers.vision.charts.picture.colors import Palette, find_palette
from servers.vision.charts.picture.drawn import LEAST_DRAWN, drawn_share
from servers.vision.charts.picture.page import Page, prepare
from servers.vision.charts.pies.pie import find_pie
from servers.vision.charts.pies.pie_figure import pie_figure
from servers.vision.charts.points.scatter_figure import scatter_figure
from servers.vision.charts.unread import unread_figure
from servers.vision.geometry import box_of
from servers.vision.text import Word

_LETTERING = 0.6  # share of a fill's pixels inside words, above which it is a colour of text


@dataclass(frozen=True, slots=True)
class ChartReading:
    """The charts of an image and, where there is none, why some were not looked for."""

    figures: tuple[figure_pb2.Figure, ...]
    reasons: tuple[str, ...]


def read_charts(rgb: NDArray[np.uint8], words: Sequence[Word]) -> list[figure_pb2.Figure]:
    """Return the charts that `examine` finds."""
    return list(examine(rgb, words).figures)


def examine(rgb: NDArray[np.uint8], words: Sequence[Word]) -> ChartReading:
    """Return the image's charts; none where no kind of chart can be told.

    Args:
      rgb: uint8 [h, w, 3], upright.
      words: all words of the image.
    Raises:
      NotReady: the text recognition data is not installed.
    """
    page = prepare(rgb, words)
    panels = find_panels(page)
    if len(panels) == 1:
        return _read(page)
    figures: list[figure_pb2.Figure] = []
    reasons: list[str] = []
    for panel in panels:
        reading = _read(panel.page)
        for figure in reading.figures:
            panel.settle(figure)
            figures.append(figure)
        reasons += [reason for reason in reading.reasons if reason not in reasons]
    name_by_shared_legend(page, figures)
    return ChartReading(tuple(figures), () if figures else tuple(reasons))


def _read(page: Page) -> ChartReading:
    """Return the one chart of a page."""
    axes = find_value_axes(page)
    share = drawn_share(page.rgb)
    if not axes and share < LEAST_DRAWN:
        reason = (
            f"No axis was read and only {share:.0%} of the picture is in flat colours, as of a photo or a texture; "
            "no chart was looked for."
        )
        return ChartReading((), (reason,))
    palette = find_palette(page)
    if not axes and "many_colors" in page.cuts.found:
        return ChartReading(
            (), ("No axis was read and the picture has more colours than a chart; none was looked for.",)
        )
    figures = _figures(page, palette, axes)
    if not figures and axes:
        unread = unread_figure(page)
        figures = [unread] if unread is not None else []
    for figure in figures:
        if not figure.chart.title:
            _add_title(page, figure)
        tell(page.cuts.found, figure)
    reasons = [f"{message[:1].upper()}{message[1:]}." for message in page.cuts.found.values()]
    return ChartReading(tuple(figures), () if figures else tuple(reasons))


def _add_title(page: Page, figure: figure_pb2.Figure) -> None:
    """Give a figure without a title the words right over its frame, where data can't be."""
    drawing = drawing_of(page)
    frame = max(find_frames(page, drawing), key=lambda box: box.area, default=None)
    if frame is None or frame.overlap(box_of(figure.chart.plot_area)) < 0.5:
        return
    names = [box_of(series.name_box) for series in figure.chart.series if series.HasField("name_box")]
    ticks = [box_of(tick.box) for axis in figure.chart.axes for tick in axis.ticks]
    title, box = find_title(page, frame, exclude=[*names, *ticks])
    if box is not None:
        figure.chart.title = title[:2000]
        figure.chart.title_box.CopyFrom(box.to_proto())


def _figures(page: Page, palette: Palette, axes: Sequence[ValueAxis]) -> list[figure_pb2.Figure]:
    marks = _mark_fills(page, palette)
    entries = find_legend(page, [palette.fills[index].lab for index in marks], palette.papers)
    legend = [type(entry)(marks[entry.color], entry.name, entry.name_box, entry.key_box) for entry in entries]
    pie = find_pie(page, palette)
    if pie is not None:
        return [pie_figure(page, pie, palette, legend)]
    figure = histogram_figure(page, palette, axes, marks, legend)
    if figure is not None:
        return [figure]
    figure = box_figure(page, palette, axes, legend)
    if figure is not None:
        return [figure]
    figure = area_figure(page, palette, axes, marks, legend)
    if figure is not None:
        return [figure]
    chart = find_bars(
        page, palette, ignore=[entry.key_box for entry in legend], named=[entry.color for entry in legend]
    )
    if chart is not None:
        figure = bar_figure(page, chart, palette, axes, legend)
        if figure is not None:
            add_line(page, palette, chart, axes, figure)
            return [figure]
    figure = scatter_figure(page, palette, axes, marks, legend) or line_figure(page, palette, axes)
    return [figure] if figure is not None else []


def _mark_fills(page: Page, palette: Palette) -> list[int]:
    text = page.text_mask()
    out = []
    for index in range(len(palette.fills)):
        mask = palette.mask(index) & palette.flat
        if mask.any() and float(text[mask].mean()) < _LETTERING:
            out.append(index)
    return out
