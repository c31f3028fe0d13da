"""A legend that stands apart from the panels it speaks for names their series by colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loupe.type.v1 import figure_pb2
from servers.vision.charts.legends.legend import LegendEntry, find_legend
from servers.vision.charts.picture.page import Page, lab_of
from servers.vision.geometry import PixelBox, box_of

_NAMELESS = "missing_series_names"


def name_by_shared_legend(page: Page, figures: Sequence[figure_pb2.Figure]) -> None:
    """Name the series of panels after legend entries outside them, in place.

    An entry inside another panel's plot counts only where every colour of this panel is named: one colour alone may
    mean something else in each panel.

    Args:
      page: the whole picture.
      figures: in the picture's pixels.
    """
    plots = [box_of(figure.chart.plot_area) for figure in figures]
    for figure in figures:
        series = [part for part in figure.chart.series if not part.HasField("name_box") and part.HasField("color")]
        if not series:
            continue
        colors = np.array([[(part.color.red, part.color.green, part.color.blue) for part in series]], np.uint8)
        entries = {entry.color: entry for entry in find_legend(page, list(lab_of(colors)[0]), (page.background,))}
        outside = {index: entry for index, entry in entries.items() if not _is_in_a_plot(entry, plots)}
        chosen = entries if len(entries) == len(series) > 1 else outside
        for index, entry in chosen.items():
            series[index].name = entry.name[:500]
            series[index].name_box.CopyFrom(entry.name_box.to_proto())
        if chosen and all(part.name for part in figure.chart.series):
            _clear_doubt(figure)


def _is_in_a_plot(entry: LegendEntry, plots: Sequence[PixelBox]) -> bool:
    return any(plot.contains_point(entry.key_box.center_x, entry.key_box.center_y) for plot in plots)


def _clear_doubt(figure: figure_pb2.Figure) -> None:
    kept = [reason for reason in figure.reasons if reason.code != _NAMELESS]
    if len(kept) < len(figure.reasons):
        del figure.reasons[:]
        figure.reasons.extend(kept)
        if not kept and figure.fidelity == figure_pb2.FIDELITY_REVIEW:
            figure.fidelity = figure_pb2.FIDELITY_PASS
