"""Box plots: five numbers a box and the points beyond, whatever way they stand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes

from loupe.type.v1 import figure_pb2
from servers.vision.charts.distributions.boxes import Box, one_a_lane
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


@pytest.mark.parametrize(("marker", "size"), [("s", 60), ("s", 120), ("o", 120), ("*", 60)])
def test_points_close_to_each_other_are_no_boxes(marker, size):
    random = np.random.default_rng(3)
    x, y = random.uniform(0, 9, 30), random.integers(5, 25, 30)

    def paint(axes: Axes) -> None:
        axes.scatter(x, y, s=size, c="k", marker=marker)
        axes.grid(linestyle=":")

    rgb = drawn(paint)
    assert [figure.chart.type for figure in read_charts(rgb, read_words(rgb))] == [figure_pb2.CHART_TYPE_SCATTER]


def test_a_box_in_a_lane_with_a_longer_one_is_no_box_of_its_own():
    def box(start: float, body: tuple[float, float]) -> Box:
        return Box((start, start + 20), 0, 0, 0, 0, 0, (), body, (0, 0))

    ordered = [box(0, (10, 60)), box(40, (20, 70)), box(80, (30, 90)), box(120, (30, 90))]
    assert one_a_lane([ordered[2], box(42, (80, 90)), ordered[0], ordered[3], ordered[1]]) == ordered
    assert one_a_lane([ordered[0], box(5, (80, 90)), box(10, (95, 99))]) == []
