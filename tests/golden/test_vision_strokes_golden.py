"""Lines, points and their legends in the ways that plots are drawn: dashed, broken, of one colour, under a legend."""

from __future__ import annotations

import io
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from loupe.type.v1 import figure_pb2
from servers.vision.charts.reader import read_charts
from servers.vision.text import read_words

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun")
UP = (12.0, 21.0, 28.0, 37.0, 49.0, 58.0)
DOWN = (55.0, 47.0, 41.0, 30.0, 22.0, 14.0)
LOW = (6.0, 9.0, 5.0, 8.0, 4.0, 7.0)


def _drawn(draw: Callable[[Axes], None]) -> figure_pb2.Figure:
    with mpl.rc_context({"font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(6.0, 4.0), dpi=100)
        axes = figure.add_subplot()
        draw(axes)
        figure.tight_layout()
        file = io.BytesIO()
        figure.savefig(file, format="png")
    rgb: NDArray[np.uint8] = np.asarray(Image.open(file).convert("RGB"), dtype=np.uint8)
    (read,) = read_charts(rgb, read_words(rgb))
    return read


def _values(series: figure_pb2.Series) -> dict[str, float]:
    return {point.label: point.y.number for point in series.points}


def test_lines_of_one_colour_are_told_apart_by_their_dashes_through_a_crossing():
    def draw(axes: Axes) -> None:
        for name, values, dashes in (("Rising", UP, "-"), ("Falling", DOWN, "--"), ("Level", LOW, ":")):
            axes.plot(MONTHS, values, dashes, color="k", linewidth=2, label=name)
        axes.set_ylim(0, 100)
        axes.legend(loc="upper right")

    chart = _drawn(draw).chart
    read = {series.name: _values(series) for series in chart.series}
    assert read["Rising"] == pytest.approx(dict(zip(MONTHS, UP, strict=True)), abs=1.5)
    assert read["Falling"] == pytest.approx(dict(zip(MONTHS, DOWN, strict=True)), abs=1.5)
    assert read["Level"] == pytest.approx(dict(zip(MONTHS, LOW, strict=True)), abs=1.5)


def test_lines_of_one_colour_are_told_apart_by_their_markers():
    def draw(axes: Axes) -> None:
        axes.plot(MONTHS, UP, "-o", color="k", markerfacecolor="w", label="Rising")
        axes.plot(MONTHS, DOWN, "-^", color="k", label="Falling")
        axes.plot(MONTHS, LOW, "-s", color="k", markerfacecolor="w", label="Level")
        axes.set_ylim(0, 100)
        axes.legend(loc="upper left")

    chart = _drawn(draw).chart
    read = {series.name: _values(series) for series in chart.series}
    assert set(read) == {"Rising", "Falling", "Level"}
    assert read["Level"] == pytest.approx(dict(zip(MONTHS, LOW, strict=True)), abs=1.5)
    assert read["Rising"]["Jun"] == pytest.approx(58, abs=1.5)


def test_a_gap_in_a_line_is_a_gap():
    def draw(axes: Axes) -> None:
        axes.plot(MONTHS, [12, 21, np.nan, 37, 49, 58], label="Rising")
        axes.plot(MONTHS, DOWN, label="Falling")
        axes.set_ylim(0, 100)
        axes.legend(loc="upper right")

    chart = _drawn(draw).chart
    read = {series.name: _values(series) for series in chart.series}
    assert "Mar" not in read["Rising"]
    assert read["Rising"]["Apr"] == pytest.approx(37, abs=1.5)
    assert read["Falling"]["Mar"] == pytest.approx(41, abs=1.5)


def test_what_a_legend_covers_is_not_invented():
    def draw(axes: Axes) -> None:
        axes.plot(MONTHS, UP, label="Rising in the north")
        axes.plot(MONTHS, DOWN, label="Falling in the south")
        axes.set_ylim(0, 62)
        axes.legend(loc="upper left", framealpha=1.0)

    figure = _drawn(draw)
    assert "hidden_by_legend" in [reason.code for reason in figure.reasons]
    read = {series.name: _values(series) for series in figure.chart.series}
    assert "Jan" not in read["Falling in the south"]
    assert read["Falling in the south"]["Jun"] == pytest.approx(14, abs=1.5)
    assert read["Rising in the north"] == pytest.approx(dict(zip(MONTHS, UP, strict=True)), abs=1.5)


@pytest.mark.parametrize("marker", ["hollow", "x", "^"])
def test_points_of_any_marker_are_read_where_they_stand(marker):
    places = [(1.0, 20.0), (2.0, 35.0), (3.5, 15.0), (5.0, 48.0), (6.0, 30.0), (7.0, 55.0), (8.5, 42.0), (9.0, 25.0)]

    def draw(axes: Axes) -> None:
        x, y = zip(*places, strict=True)
        if marker == "hollow":
            axes.scatter(x, y, s=40, facecolors="none", edgecolors="tab:red")
        else:
            axes.scatter(x, y, s=40, marker=marker)
        axes.set_xlim(0, 10)
        axes.set_ylim(0, 60)

    chart = _drawn(draw).chart
    assert chart.type == figure_pb2.CHART_TYPE_SCATTER
    (series,) = chart.series
    assert [point.x.number for point in series.points] == pytest.approx([x for x, _ in places], abs=0.12)
    assert [point.y.number for point in series.points] == pytest.approx([y for _, y in places], abs=1.0)


def test_points_that_touch_are_counted_by_fitting_and_told():
    def draw(axes: Axes) -> None:
        axes.scatter([2, 2.12, 5, 6, 7, 8, 9], [20, 21, 40, 30, 55, 45, 15], s=60)
        axes.set_xlim(0, 10)
        axes.set_ylim(0, 60)

    figure = _drawn(draw)
    (series,) = figure.chart.series
    assert len(series.points) == 7
    assert "points_overlap" in [reason.code for reason in figure.reasons]


def _lines(axes: Axes) -> None:
    axes.plot(MONTHS, UP)
    axes.set_ylim(0, 70)


def _areas(axes: Axes) -> None:
    axes.stackplot(range(2015, 2021), UP, LOW, labels=("North", "South"))
    axes.set_ylim(0, 80)
    axes.legend(loc="upper left")


def _points(axes: Axes) -> None:
    axes.scatter([1, 2, 3, 4, 5, 6], UP)
    axes.set_ylim(0, 70)


@pytest.mark.parametrize("draw", [_lines, _areas, _points])
def test_every_measured_number_is_what_its_axis_says_at_its_position(draw):
    chart = _drawn(draw).chart
    axes = {axis.dimension: axis.calibration for axis in chart.axes if axis.HasField("calibration")}
    checked = 0
    for series in chart.series:
        for point in series.points:
            for value, dimension in ((point.x, figure_pb2.AXIS_DIMENSION_X), (point.y, figure_pb2.AXIS_DIMENSION_Y)):
                if value.origin != figure_pb2.ORIGIN_INTERPOLATED or not value.HasField("position_px"):
                    continue
                line = axes[dimension]
                expected = line.slope * value.position_px + line.intercept
                if value.HasField("base_px"):
                    expected -= line.slope * value.base_px + line.intercept
                assert value.number == pytest.approx(expected, abs=1.0 * abs(line.slope))
                checked += 1
    assert checked >= 6


def test_slices_of_one_colour_are_parted_by_their_edges():
    values, names = (40.0, 25.0, 20.0, 15.0), ("Rail", "Road", "Air", "Sea")

    def draw(axes: Axes) -> None:
        axes.pie(values, labels=names, colors=["tab:blue"], wedgeprops={"edgecolor": "w", "linewidth": 1.5})

    (series,) = _drawn(draw).chart.series
    assert _values(series) == pytest.approx(dict(zip(names, values, strict=True)), abs=0.7)


def test_percentages_in_a_legend_are_the_slices_values_and_each_slice_has_its_colour():
    values, names = (42.5, 27.5, 19.0, 11.0), ("Rail", "Road", "Air", "Sea")

    def draw(axes: Axes) -> None:
        wedges, *_ = axes.pie(values, colors=["tab:blue", "tab:orange", "tab:green", "tab:red"])
        labels = [f"{name} ({value}%)" for name, value in zip(names, values, strict=True)]
        axes.legend(wedges, labels, loc="center left", bbox_to_anchor=(1.0, 0.5))

    (series,) = _drawn(draw).chart.series
    assert _values(series) == dict(zip(names, values, strict=True))
    assert {point.y.origin for point in series.points} == {figure_pb2.ORIGIN_PRINTED}
    rail = next(point.color for point in series.points if point.label == "Rail")
    assert (rail.red, rail.green, rail.blue) == pytest.approx((31, 119, 180), abs=3)


def test_areas_are_named_by_the_words_at_their_right_edge():
    def draw(axes: Axes) -> None:
        years = list(range(2015, 2021))
        axes.stackplot(years, UP, DOWN)
        axes.set_xlim(2015, 2020)
        axes.set_ylim(0, 90)
        axes.annotate("North", (2020, 29), xytext=(5, 0), textcoords="offset points", va="center")
        axes.annotate("South", (2020, 65), xytext=(5, 0), textcoords="offset points", va="center")

    chart = _drawn(draw).chart
    assert chart.type == figure_pb2.CHART_TYPE_STACKED_AREA
    read = {series.name: _values(series) for series in chart.series}
    assert read["South"]["2020"] == pytest.approx(14, abs=1.5)
    assert read["North"]["2017"] == pytest.approx(28, abs=1.5)
