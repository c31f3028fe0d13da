"""Charts of kinds that can't be read are told as such, without values; what is no chart stays none."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from loupe.type.v1 import figure_pb2
from servers.vision.charts.reader import read_charts
from servers.vision.text import read_words
from tests.golden.chart_factory import drawn
from tests.vision_pictures import table_picture


def test_axes_around_nothing_that_can_be_read_are_a_chart_without_values():
    def paint(axes: Axes) -> None:
        x, y = np.meshgrid(np.linspace(0, 10, 12), np.linspace(0, 50, 12))
        axes.quiver(x, y, np.cos(x), np.sin(y), color="black")
        axes.set_title("Wind over the bay")

    rgb = drawn(paint)
    (figure,) = read_charts(rgb, read_words(rgb))
    assert not any(series.points for series in figure.chart.series)
    assert figure.fidelity == figure_pb2.FIDELITY_FAIL
    assert figure.reasons[0].code == "no_values"
    assert figure.chart.title == "Wind over the bay"
    assert {axis.dimension for axis in figure.chart.axes} == {
        figure_pb2.AXIS_DIMENSION_X,
        figure_pb2.AXIS_DIMENSION_Y,
    }


def test_a_ruled_table_of_falling_numbers_is_no_chart():
    rows = [["Rank", "Share"], *([str(number), f"{number * 3}%"] for number in (50, 40, 30, 20, 10))]
    rgb = table_picture(rows, widths=(120, 160), ruled=True)
    assert read_charts(rgb, read_words(rgb)) == []
