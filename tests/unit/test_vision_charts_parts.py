"""The parts of the chart reader, each by itself."""

from __future__ import annotations

import numpy as np
import pytest

from servers.vision.charts.axes.calibration import fit_axis
from servers.vision.charts.axes.ticks import find_value_axes
from servers.vision.charts.axes.titles import unit_in
from servers.vision.charts.bars.bar import Bar, BarChart
from servers.vision.charts.bars.frame import Frame
from servers.vision.charts.bars.grouping import group_bars, with_gaps_filled
from servers.vision.charts.bars.printed import PrintedValue
from servers.vision.charts.bars.scale import bar_scale
from servers.vision.charts.picture.page import group_words, prepare, quantity
from servers.vision.geometry import PixelBox
from servers.vision.text import Word


def _word(text: str, x: float, y: float, width: float = 20.0, height: float = 10.0) -> Word:
    return Word(text, PixelBox(x, y, x + width, y + height), 0.95)


def test_a_misread_tick_is_left_out_of_the_calibration():
    fit = fit_axis(np.array([300.0, 250.0, 200.0, 150.0, 100.0]), np.array([0.0, 10.0, 2.0, 30.0, 40.0]))
    assert fit is not None
    assert fit.inliers == (0, 1, 3, 4)
    assert fit.value(200.0) == pytest.approx(20.0)
    assert fit.pixel(35.0) == pytest.approx(125.0)


def test_a_log_axis_turns_pixels_into_powers():
    fit = fit_axis(np.array([300.0, 200.0, 100.0]), np.array([1.0, 10.0, 100.0]), log=True)
    assert fit is not None
    assert fit.value(150.0) == pytest.approx(31.6228, rel=1e-4)


def test_equal_values_calibrate_nothing():
    assert fit_axis(np.array([10.0, 20.0]), np.array([5.0, 5.0])) is None


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("1.2M", 1_200_000, ""),
        ("$40", 40, "$"),
        ("60%", 60, "%"),
        ("23 kilocalories", 23, "kilocalories"),
        ("12 500", 12500, ""),
    ],
)
def test_tick_labels_state_numbers_with_units(text, number, unit):
    read = quantity(text)
    assert read is not None
    assert (read.number, read.unit) == (number, unit)


@pytest.mark.parametrize("text", ["Women", "25 to 34", "2019/20", "18-29"])
def test_words_and_ranges_state_no_number(text):
    assert quantity(text) is None


def test_thousands_set_off_by_a_space_are_one_number_and_neighbouring_values_two():
    joined = group_words([_word("12", 0, 0, 12), _word("500", 16, 0, 18)])
    assert [run.text for run in joined] == ["12 500"]
    apart = group_words([_word("95%", 0, 0), _word("93%", 25, 0)])
    assert [run.text for run in apart] == ["95%", "93%"]


def test_ticks_in_a_column_make_a_value_axis():
    words = [_word(text, 10, y) for text, y in (("30%", 50), ("20%", 100), ("10%", 150), ("0%", 200))]
    page = prepare(np.full((260, 320, 3), 255, dtype=np.uint8), words)
    (axis,) = find_value_axes(page)
    assert axis.direction == "y"
    assert axis.unit == "%"
    assert axis.fit.value(130.0) == pytest.approx(15.0)


def _chart(fills: list[int], gaps: list[float], ends: list[float]) -> BarChart:
    lanes, x = [], 10.0
    for gap in [*gaps, 0.0]:
        lanes.append((x, x + 20.0))
        x += 20.0 + gap
    bars = tuple(Bar(fill, lane, 200.0, end) for lane, (fill, end) in enumerate(zip(fills, ends, strict=True)))
    return BarChart(Frame(vertical=True), bars, tuple(lanes), 200.0)


def test_wide_gaps_part_groups_and_colours_name_series():
    grouping = group_bars(_chart([0, 1, 0, 1], [2, 30, 2], [100, 90, 80, 70]), [1, 0])
    assert grouping.groups == ((0, 1), (2, 3))
    assert grouping.series == (1, 0)


def test_bars_of_many_colours_at_even_distances_are_one_series():
    grouping = group_bars(_chart([0, 1, 2, 3], [10, 10, 10], [100, 90, 80, 70]), [])
    assert grouping.series == ()
    assert len(grouping.groups) == 4


def test_a_hole_in_regular_spacing_is_a_bar_of_no_length():
    chart = _chart([0, 0, 0, 0], [10, 40, 10], [100, 90, 80, 70])
    filled, grouping = with_gaps_filled(chart, group_bars(chart, []))
    assert len(filled.lanes) == 5
    assert [bar.lane for bar in filled.bars if bar.end == 200.0] == [2]
    assert len(grouping.groups) == 5


def test_printed_values_set_the_scale_where_there_is_no_axis():
    chart = _chart([0, 0, 0], [10, 10], [100, 150, 175])
    values = {
        index: PrintedValue(text, number, "", PixelBox(0, 0, 1, 1), False)
        for index, (text, number) in enumerate((("40", 40.0), ("20", 20.0), ("10", 10.0)))
    }
    scale = bar_scale(chart, None, values)
    assert scale is not None
    assert scale.value(Bar(0, 0, 200.0, 125.0)) == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("title", "unit"),
    [("Load (kN)", "kN"), ("Sales in million USD", "million USD"), ("Share of adults", "%"), ("Score", "")],
)
def test_axis_titles_name_their_unit(title, unit):
    assert unit_in(title) == unit
