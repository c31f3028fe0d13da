"""What must not change what is read: the picture's size, and the other bars when one moves."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servers.vision.charts.reader import read_charts
from servers.vision.text import read_words
from tests.golden import chart_factory

_VALUES = st.lists(st.integers(8, 95), min_size=4, max_size=5)


def _numbers(drawn: chart_factory.Drawn) -> list[float]:
    (figure,) = read_charts(drawn.rgb, read_words(drawn.rgb))
    return [point.y.number for point in figure.chart.series[0].points]


@settings(max_examples=6, deadline=None, derandomize=True)
@given(values=_VALUES)
def test_a_picture_twice_as_large_gives_the_same_values(values):
    labels = chart_factory.CITIES[: len(values)]
    small = _numbers(chart_factory.bars((*values[:-1], 100), labels=labels, dpi=90))
    large = _numbers(chart_factory.bars((*values[:-1], 100), labels=labels, dpi=180))
    assert small == pytest.approx(large, rel=0.02, abs=0.6)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(values=_VALUES, which=st.integers(0, 2), moved=st.integers(8, 95))
def test_moving_one_bar_changes_exactly_that_value(values, which, moved):
    labels = chart_factory.CITIES[: len(values)]
    first = [*values[:-1], 100]  # the tallest stays, so the axis stays
    second = [moved if index == which else value for index, value in enumerate(first)]
    before, after = (_numbers(chart_factory.bars(row, labels=labels)) for row in (first, second))
    assert [b for i, b in enumerate(before) if i != which] == pytest.approx(
        [a for i, a in enumerate(after) if i != which], rel=0.01
    )
    assert after[which] == pytest.approx(moved, abs=1.0)
