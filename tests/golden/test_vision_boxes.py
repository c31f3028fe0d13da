"""Box plots: five numbers a box and the points beyond, whatever way they stand."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.axes import Axes

from loupe.type.v1 import figure_pb2
from servers.vision.charts.reader import read_charts
from servers.vision.text import read_words
from tests.golden.chart_factory import drawn

NAMES = ("Oslo", "Lima", "Cairo")
FIVE = ((12, 25, 31, 44, 60), (20, 34, 48, 55, 72), (8, 18, 22, 37, 51))


def _paint(axes: Axes, how: dict[str, Any]) -> None:
    stats: list[dict[str, Any]] = [
        {"label": name, "whislo": a, "q1": b, "med": c, "q3": d, "whishi": e, "fliers": [85] if name == "Cairo" else []}
        for name, (a, b, c, d, e) in zip(NAMES, FIVE, strict=True)
    ]
    axes.bxp(stats, widths=0.5, **how)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"patch_artist": True},
        {"orientation": "horizontal"},
        {"whiskerprops": {"linestyle": "--"}},
        {"showcaps": False},
    ],
)
def test_boxes_give_their_five_numbers_and_the_points_beyond(how):
    rgb = drawn(lambda axes: _paint(axes, how))
    (figure,) = read_charts(rgb, read_words(rgb))
    chart = figure.chart
    assert chart.type == figure_pb2.CHART_TYPE_BOX
    read = {series.name: {point.label: point.y.number for point in series.points} for series in chart.series}
    names = ("lower whisker", "lower quartile", "median", "upper quartile", "upper whisker")
    assert list(read) == [*names, "outlier"]
    for index, name in enumerate(names):
        expected = {place: float(five[index]) for place, five in zip(NAMES, FIVE, strict=True)}
        assert read[name] == pytest.approx(expected, abs=1.2)
    assert read["outlier"] == pytest.approx({"Cairo": 85.0}, abs=1.2)


def test_bars_with_error_bars_are_no_boxes():
    def paint(axes: Axes) -> None:
        axes.bar(NAMES, (34, 61, 18), yerr=(4, 6, 3), capsize=5)

    rgb = drawn(paint)
    (figure,) = read_charts(rgb, read_words(rgb))
    assert figure.chart.type == figure_pb2.CHART_TYPE_BAR


def test_flat_lines_that_meet_are_no_box():
    def paint(axes: Axes) -> None:
        for values in ((55, 18, 13), (14, 10, 12)):
            axes.plot(("2015", "2016", "2017"), values, marker="o", markersize=9)
        axes.set_ylim(0, 150)
        axes.grid()

    rgb = drawn(paint)
    (figure,) = read_charts(rgb, read_words(rgb))
    assert figure.chart.type == figure_pb2.CHART_TYPE_LINE
