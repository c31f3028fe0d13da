"""What holds for every correction, whatever the chart: it reaches its own axis, no further, and once is enough."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loupe.type.v1 import figure_pb2
from loupe.vision.v1.vision_pb2 import Correction, SeriesCorrection, TickCorrection, ValueCorrection
from servers.vision.recalibrate import recalibrate
from tests.vision_figures import Y2, X, Y, bars, numbers, scatter, values_by_id

LABELS = ("a", "b", "c", "d")
steps = st.sampled_from([0.1, 0.5, 1.0, 2.0, 5.0, 20.0, 250.0])
ends = st.lists(st.floats(5, 390, width=32), min_size=len(LABELS), max_size=len(LABELS))
factors = st.sampled_from([-3.0, 0.5, 1.7, 2.0, 10.0, 40.0])


def ticks(step: float, count: int = 5) -> list[tuple[float, float]]:
    return [(400.0 - 90.0 * index, step * index) for index in range(count)]


def series(places: list[float]) -> dict[str, float]:
    return dict(zip(LABELS, places, strict=True))


def tick(dimension: figure_pb2.AxisDimension.ValueType, index: int, number: float) -> Correction:
    return Correction(tick=TickCorrection(dimension=dimension, tick=index, number=number))


@settings(max_examples=60, deadline=None)
@given(ends, ends, steps, steps, st.booleans(), factors)
def test_moving_an_axis_changes_exactly_the_values_measured_on_it(left, right, step, right_step, is_left, factor):
    figure = bars(
        {"left": series(left), "right": series(right)},
        ticks(step),
        right_ticks=ticks(right_step),
        on_right=["right"],
    )
    moved, unmoved = ("f1.s0", "f1.s1") if is_left else ("f1.s1", "f1.s0")
    # Two ticks settle a line, whatever the others say.
    dimension, old = (Y, step) if is_left else (Y2, right_step)
    corrections = [tick(dimension, 0, 0.0), tick(dimension, 1, factor * old), tick(dimension, 2, 2 * factor * old)]
    corrected, changed = recalibrate(figure, corrections)
    before, after = numbers(figure), numbers(corrected)
    assert changed == [f"{moved}.p{index}.y" for index in range(len(LABELS))]
    assert {key: number for key, number in after.items() if key.startswith(unmoved)} == {
        key: number for key, number in before.items() if key.startswith(unmoved)
    }
    for index in range(len(LABELS)):
        key = f"{moved}.p{index}.y"
        assert after[key] == pytest.approx(factor * before[key], rel=1e-4, abs=1e-4 * old)


@settings(max_examples=60, deadline=None)
@given(ends, steps, st.integers(0, 4), st.floats(-1e4, 1e4).filter(lambda number: abs(number) > 1e-3))
def test_the_same_correction_twice_is_the_same_as_once(places, step, index, number):
    corrections = [
        tick(Y, index, number),
        Correction(value=ValueCorrection(value_id="f1.s0.p1.y", printed="12.5")),
        Correction(series=SeriesCorrection(series=0, name="Coal")),
    ]
    once, _ = recalibrate(bars({"": series(places)}, ticks(step)), corrections)
    twice, changed = recalibrate(once, corrections)
    assert twice == once
    assert changed == []


@settings(max_examples=60, deadline=None)
@given(ends, steps, st.integers(0, 4))
def test_a_tick_corrected_to_what_it_says_changes_no_value(places, step, index):
    figure = bars({"Coal": series(places)}, ticks(step))
    corrected, changed = recalibrate(figure, [tick(Y, index, step * index)])
    assert changed == []
    assert values_by_id(corrected) == values_by_id(figure)
    assert corrected.chart.axes[0].calibration == figure.chart.axes[0].calibration
    assert corrected.fidelity == figure.fidelity


@settings(max_examples=60, deadline=None)
@given(ends, steps, st.integers(1, 4), factors)
def test_a_chart_whose_misread_tick_is_corrected_is_the_chart_read_rightly(places, step, index, factor):
    misread = ticks(step)
    misread[index] = (misread[index][0], factor * step * index)
    corrected, _ = recalibrate(bars({"Coal": series(places)}, misread), [tick(Y, index, step * index)])
    right = bars({"Coal": series(places)}, ticks(step))
    assert numbers(corrected) == pytest.approx(numbers(right), rel=1e-5)
    assert corrected.chart.axes[0].calibration.tick_count == 5
    assert corrected.fidelity == right.fidelity


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(110, 390), st.floats(110, 390)), min_size=1, max_size=6), steps, factors)
def test_moving_the_x_axis_of_points_leaves_their_heights(points, step, factor):
    x_ticks = [(100.0 + 100.0 * index, step * (index + 1)) for index in range(4)]
    figure = scatter(points, x_ticks, ticks(1.0))
    corrected, changed = recalibrate(figure, [tick(X, 1, factor * 2 * step), tick(X, 2, factor * 3 * step)])
    heights = {key: value for key, value in values_by_id(figure).items() if key.endswith(".y")}
    assert {key: value for key, value in values_by_id(corrected).items() if key.endswith(".y")} == heights
    assert not {key for key in changed if key.endswith(".y")}
    assert [point.label for point in corrected.chart.series[0].points] == [
        f"{point.x.number:g}" for point in corrected.chart.series[0].points
    ]
