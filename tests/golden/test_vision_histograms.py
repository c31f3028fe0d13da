"""Histograms: touching bars over a measured axis are bins with edges, and bars of categories stay bars."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes

from loupe.type.v1 import figure_pb2
from servers.vision.charts.reader import read_charts
from servers.vision.text import read_words
from tests.golden.chart_factory import drawn

EDGES = (10.0, 12.5, 15.0, 17.5, 20.0, 22.5, 25.0, 27.5)
COUNTS = (12.0, 31.0, 58.0, 58.0, 40.0, 0.0, 9.0)


def _read(paint) -> figure_pb2.Chart:
    rgb = drawn(paint)
    (figure,) = read_charts(rgb, read_words(rgb))
    return figure.chart


@pytest.mark.parametrize("edge", ["none", "white", "black"])
def test_touching_bars_over_numbers_are_bins(edge):
    def paint(axes: Axes) -> None:
        axes.bar(EDGES[:-1], COUNTS, np.diff(EDGES), align="edge", edgecolor=edge, linewidth=0.8)
        axes.set_xlabel("Weight (kg)")
        axes.set_ylabel("Animals")

    chart = _read(paint)
    assert chart.type == figure_pb2.CHART_TYPE_HISTOGRAM
    points = chart.series[0].points
    assert [point.x.number for point in points] == pytest.approx(EDGES[:-1], abs=0.15)
    assert [point.x_end.number for point in points] == pytest.approx(EDGES[1:], abs=0.15)
    assert [point.y.number for point in points] == pytest.approx(COUNTS, abs=0.8)
    assert chart.series[0].name == "Animals"
    assert next(axis for axis in chart.axes if axis.dimension == figure_pb2.AXIS_DIMENSION_X).title == "Weight (kg)"


def test_touching_bars_named_by_numbers_stay_bars():
    def paint(axes: Axes) -> None:
        axes.bar((2016, 2017, 2018, 2019), (34, 61, 18, 47), width=1, edgecolor="white")
        axes.set_xticks((2016, 2017, 2018, 2019))

    chart = _read(paint)
    assert chart.type == figure_pb2.CHART_TYPE_BAR
    assert [point.label for point in chart.series[0].points] == ["2016", "2017", "2018", "2019"]


def test_touching_bars_named_by_words_stay_bars():
    def paint(axes: Axes) -> None:
        axes.bar(("Oslo", "Lima", "Cairo", "Quito"), (34, 61, 18, 47), width=1)

    chart = _read(paint)
    assert chart.type == figure_pb2.CHART_TYPE_BAR
    assert [point.y.number for point in chart.series[0].points] == pytest.approx([34, 61, 18, 47], abs=0.8)
