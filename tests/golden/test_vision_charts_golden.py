"""One chart of each kind, drawn with known numbers, read back."""

from __future__ import annotations

import numpy as np
import pytest

from loupe.type.v1 import figure_pb2
from servers.vision.charts.reader import read_charts
from servers.vision.text import read_words
from tests.golden import chart_factory
from tests.golden.chart_factory import Drawn


def _read(drawn: Drawn) -> figure_pb2.Chart:
    figures = read_charts(drawn.rgb, read_words(drawn.rgb))
    assert len(figures) == 1
    return figures[0].chart


def _values(series: figure_pb2.Series) -> dict[str, float]:
    return {point.label: point.y.number for point in series.points}


@pytest.mark.parametrize("style", ["default", "ggplot", "dark_background", "seaborn-v0_8-whitegrid", "fivethirtyeight"])
def test_bars_without_printed_values_are_measured_in_every_style(style):
    chart = _read(chart_factory.bars(style=style))
    assert chart.type == figure_pb2.CHART_TYPE_BAR
    assert _values(chart.series[0]) == pytest.approx(
        {"Oslo": 34, "Lima": 61, "Cairo": 18, "Quito": 47, "Hanoi": 72}, abs=1.0
    )
    assert {point.y.origin for point in chart.series[0].points} == {figure_pb2.ORIGIN_INTERPOLATED}


def test_lying_bars_with_printed_values_are_read_as_printed():
    chart = _read(chart_factory.bars(horizontal=True, printed=True))
    assert chart.type == figure_pb2.CHART_TYPE_HORIZONTAL_BAR
    assert _values(chart.series[0]) == {"Oslo": 34, "Lima": 61, "Cairo": 18, "Quito": 47, "Hanoi": 72}
    assert {point.y.origin for point in chart.series[0].points} == {figure_pb2.ORIGIN_PRINTED}


def test_bars_below_zero_are_negative():
    chart = _read(chart_factory.bars((30, -20, 45, -35, 10)))
    assert _values(chart.series[0]) == pytest.approx(
        {"Oslo": 30, "Lima": -20, "Cairo": 45, "Quito": -35, "Hanoi": 10}, abs=1.0
    )


@pytest.mark.parametrize("stacked", [False, True])
def test_grouped_and_stacked_bars_are_one_series_a_legend_entry(stacked):
    chart = _read(chart_factory.bar_groups(stacked=stacked))
    expected = figure_pb2.CHART_TYPE_STACKED_BAR if stacked else figure_pb2.CHART_TYPE_GROUPED_BAR
    assert chart.type == expected
    assert [series.name for series in chart.series] == ["North", "South", "West"]
    assert _values(chart.series[0]) == pytest.approx({"2016": 22, "2017": 35, "2018": 41, "2019": 28}, abs=1.0)
    assert _values(chart.series[2]) == pytest.approx({"2016": 12, "2017": 24, "2018": 15, "2019": 33}, abs=1.0)


@pytest.mark.parametrize("style", ["default", "ggplot", "dark_background"])
def test_lines_are_traced_and_named_by_their_legend(style):
    chart = _read(chart_factory.lines(style=style))
    assert chart.type == figure_pb2.CHART_TYPE_LINE
    read = {series.name: _values(series) for series in chart.series}
    assert read["Bread"] == pytest.approx(
        {"2016": 12, "2017": 15, "2018": 11, "2019": 19, "2020": 23, "2021": 21}, abs=0.8
    )
    assert read["Milk"] == pytest.approx(
        {"2016": 30, "2017": 27, "2018": 33, "2019": 36, "2020": 31, "2021": 40}, abs=0.8
    )


def test_a_log_axis_of_powers_of_ten_is_calibrated():
    chart = _read(chart_factory.lines(log=True))
    axis = next(axis for axis in chart.axes if axis.dimension == figure_pb2.AXIS_DIMENSION_Y)
    assert axis.scale == figure_pb2.AXIS_SCALE_LOG
    assert _values(chart.series[0]) == pytest.approx(
        {"2016": 12, "2017": 40, "2018": 95, "2019": 310, "2020": 900, "2021": 2400}, rel=0.05
    )


@pytest.mark.parametrize("ring", [False, True])
def test_pie_and_ring_slices_carry_their_names_and_percentages(ring):
    chart = _read(chart_factory.pie(ring=ring))
    assert chart.type == (figure_pb2.CHART_TYPE_DONUT if ring else figure_pb2.CHART_TYPE_PIE)
    assert _values(chart.series[0]) == pytest.approx({"Rail": 42, "Road": 28, "Air": 19, "Sea": 11}, abs=0.6)


def test_stacked_areas_are_heights_not_tops():
    chart = _read(chart_factory.area())
    assert chart.type == figure_pb2.CHART_TYPE_STACKED_AREA
    read = {series.name: _values(series) for series in chart.series}
    assert read["Coal"] == pytest.approx(
        {"2016": 20, "2017": 24, "2018": 18, "2019": 15, "2020": 12, "2021": 9}, abs=1.0
    )
    assert read["Wind"] == pytest.approx(
        {"2016": 5, "2017": 8, "2018": 14, "2019": 20, "2020": 27, "2021": 33}, abs=1.0
    )


def test_scattered_points_have_both_coordinates():
    chart = _read(chart_factory.scatter())
    assert chart.type == figure_pb2.CHART_TYPE_SCATTER
    points = [(point.x.number, point.y.number) for point in chart.series[0].points]
    expected = [(5, 11), (12, 18), (20, 14), (27, 29), (33, 35), (41, 31), (48, 44)]
    assert np.array(points) == pytest.approx(np.array(expected, dtype=float), abs=0.5)


def test_a_blank_picture_and_a_page_of_text_hold_no_chart():
    blank = np.full((300, 400, 3), 255, dtype=np.uint8)
    assert read_charts(blank, []) == []
