"""Axes of numbers: log scales, factors, signs and sides, from labels alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from servers.vision.charts.axes.plot_area import choose_axes
from servers.vision.charts.axes.ticks import find_value_axes
from servers.vision.charts.picture.page import Page, prepare
from servers.vision.geometry import PixelBox
from servers.vision.text import Word

WIDTH, HEIGHT = 500, 360
ROWS = (40.0, 100.0, 160.0, 220.0, 280.0)


def _word(text: str, right: float, y: float) -> Word:
    return Word(text, PixelBox(right - 6.0 * len(text), y - 5, right, y + 5), 0.95)


def _column(texts: Sequence[str], *, right: float = 60, more: Sequence[Word] = ()) -> Page:
    """Return a blank page with labels that end at an x, 60 pixels below each other."""
    words = [_word(text, right, y) for text, y in zip(texts, ROWS, strict=False)]
    return prepare(np.full((HEIGHT, WIDTH, 3), 255, np.uint8), [*words, *more])


@pytest.mark.parametrize(
    ("texts", "at_130"),
    [
        (("10k", "1k", "100", "10", "1"), 316.2278),
        (("1e5", "le4", "1e3", "1e2", "1e1"), 3162.278),
        (("10^5", "10*4", "10^3", "10^2", "10^1"), 3162.278),
        (("10⁵", "10⁴", "10³", "10²", "10¹"), 3162.278),
        (("64", "16", "4", "1"), 8.0),
        (("1k", "100"), 31.6228),
    ],
)
def test_labels_that_grow_by_a_factor_make_a_log_axis(texts, at_130):
    (axis,) = find_value_axes(_column(texts))
    assert axis.fit.log
    assert axis.fit.value(130.0) == pytest.approx(at_130, rel=1e-3)


def test_a_log_axis_on_both_sides_of_zero_is_refused_with_a_reason():
    page = _column(("100", "10", "0", "-10", "-100"))
    assert find_value_axes(page) == []
    assert list(page.cuts.found) == ["symmetric_log_axis"]


@pytest.mark.parametrize(("text", "factor"), [("1e6", 1e6), ("le-3", 1e-3), ("1e12", 1e12)])
def test_a_factor_at_the_axis_end_multiplies_its_ticks(text, factor):
    (axis, *_) = find_value_axes(_column(("2.5", "2.0", "1.5", "1.0", "0.5"), more=[_word(text, 80, 18)]))
    assert [tick.number for tick in axis.ticks] == pytest.approx(
        [2.5 * factor, 2 * factor, 1.5 * factor, factor, factor / 2]
    )
    assert axis.fit.value(100.0) == pytest.approx(2 * factor)
    assert axis.ticks[0].text == "2.5"


def test_units_and_multipliers_are_taken_off_the_labels():
    (axis,) = find_value_axes(_column(("$2.0M", "$1.5M", "$1.0M", "$0.5M", "$0")))
    assert axis.unit == "$"
    assert axis.fit.value(160.0) == pytest.approx(1_000_000)


def test_values_may_grow_downwards():
    page = _column(("0", "5", "10", "15", "20"))
    _, chosen, _ = choose_axes(page, find_value_axes(page))
    assert chosen is not None
    assert chosen.fit.value(130.0) == pytest.approx(7.5)


def test_ranks_that_count_from_one_are_no_axis():
    page = _column(("1", "2", "3", "4", "5"))
    assert choose_axes(page, find_value_axes(page))[1] is None


def test_tick_marks_of_a_right_axis_are_no_minus_signs():
    (axis,) = find_value_axes(_column(("-20", "-15", "-10", "-5"), right=460))
    assert [tick.number for tick in axis.ticks] == [20, 15, 10, 5]


def test_negative_numbers_of_a_right_axis_stay_negative():
    (axis,) = find_value_axes(_column(("-5", "-10", "-15", "-20"), right=460))
    assert [tick.number for tick in axis.ticks] == [-5, -10, -15, -20]


def test_an_x_axis_may_stand_over_the_plot():
    more = [_word(text, x, 16) for text, x in (("2010", 100), ("2012", 200), ("2014", 300), ("2016", 400))]
    page = _column(("40", "30", "20", "10", "0"), more=more)
    x_axis, y_axis, _ = choose_axes(page, find_value_axes(page))
    assert x_axis is not None
    assert y_axis is not None
    assert [tick.number for tick in x_axis.ticks] == [2010, 2012, 2014, 2016]


def test_labels_off_the_line_are_told_where_they_are_many():
    (axis,) = find_value_axes(_column(("40", "33", "20", "10", "0")))
    assert [(len(axis.ticks), axis.notes)] == [(4, ())]
    (doubtful,) = find_value_axes(_column(("40", "33", "20", "17", "0")))
    assert [code for code, _ in doubtful.notes] == ["ticks_disagree"]
    assert doubtful.fit.value(100.0) == pytest.approx(30)


def test_a_separator_read_as_a_point_is_told_by_the_other_labels():
    (axis,) = find_value_axes(_column(("2.500", "2,000", "1,500", "1,000", "500")))
    assert [tick.number for tick in axis.ticks] == [2500, 2000, 1500, 1000, 500]
    assert axis.notes == ()
