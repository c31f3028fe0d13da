"""Every measured number follows from the figure alone: the axis's calibration at the stored pixels gives it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.axes import Axes

from loupe.type.v1 import figure_pb2
from servers.vision.charts.reader import read_charts
from servers.vision.text import read_words
from tests.golden import chart_factory

PLACES = np.arange(4)
NAMES = ("Oslo", "Lima", "Cairo", "Quito")


def _single(axes: Axes) -> None:
    axes.bar(NAMES, (34, -12, 18, 47))


def _lying(axes: Axes) -> None:
    axes.barh(NAMES, (34, 12, 18, 47))


def _stacked(axes: Axes) -> None:
    axes.bar(NAMES, (34, 12, 18, 47), label="A")
    axes.bar(NAMES, (11, 22, 9, 15), bottom=(34, 12, 18, 47), label="B")
    axes.legend()
    axes.set_ylim(0, 90)


def _log(axes: Axes) -> None:
    axes.bar(NAMES, (30, 400, 2100, 90))
    axes.set_yscale("log")


def _histogram(axes: Axes) -> None:
    axes.bar((0, 5, 10, 15), (3, 9, 14, 6), 5, align="edge")


def _told(chart: figure_pb2.Chart, dimension: int, value: figure_pb2.Value) -> float:
    axis = next(axis for axis in chart.axes if axis.dimension == dimension)
    fit = axis.calibration

    def at(pixel: float) -> float:
        t = fit.slope * pixel + fit.intercept
        return 10**t if axis.scale == figure_pb2.AXIS_SCALE_LOG else t

    return at(value.position_px) - (at(value.base_px) if value.HasField("base_px") else 0.0)


@pytest.mark.parametrize("paint", [_single, _lying, _stacked, _log, _histogram])
def test_the_stored_pixels_give_the_number(paint):
    rgb = chart_factory.drawn(paint)
    (figure,) = read_charts(rgb, read_words(rgb))
    chart = figure.chart
    checked = 0
    for series in chart.series:
        for point in series.points:
            for value, dimension in (
                (point.y, series.value_axis),
                (point.x, figure_pb2.AXIS_DIMENSION_X),
                (point.x_end, figure_pb2.AXIS_DIMENSION_X),
            ):
                if value.origin == figure_pb2.ORIGIN_INTERPOLATED:
                    assert value.HasField("position_px")
                    told = _told(chart, dimension, value)
                    # Both are rounded to six digits of what is subtracted.
                    assert math.isclose(value.number, told, rel_tol=2e-5, abs_tol=2e-5 * max(abs(told), 50.0))
                    checked += 1
    assert checked >= 4


def test_a_highlighted_bar_has_its_own_colour():
    def paint(axes: Axes) -> None:
        axes.bar(NAMES, (34, 12, 18, 47), color=["#888888", "#888888", "#d62728", "#888888"])

    rgb = chart_factory.drawn(paint)
    (figure,) = read_charts(rgb, read_words(rgb))
    colors = [(point.color.red, point.color.green, point.color.blue) for point in figure.chart.series[0].points]
    assert len(figure.chart.series) == 1
    assert colors == [(136, 136, 136), (136, 136, 136), (214, 39, 40), (136, 136, 136)]
