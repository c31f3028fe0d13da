"""Checks on a figure's message: what is doubted, about which values, and what is not."""

from __future__ import annotations

import json
import re

import pytest

from loupe.type.v1 import figure_pb2
from loupe.type.v1.geometry_pb2 import Box
from servers.vision.fidelity.confidence import CONSTANT, WEIGHTS
from servers.vision.fidelity.judge import judge
from servers.vision.identify import number_figures
from tests.vision_figures import X, bars, scatter, stack, table, values_by_id

TICKS = ((300.0, 0.0), (200.0, 10.0), (100.0, 20.0))
PRINTED, INTERPOLATED = figure_pb2.ORIGIN_PRINTED, figure_pb2.ORIGIN_INTERPOLATED
ENDS = {"Jan": 250.0, "Feb": 200.0, "Mar": 150.0, "Apr": 100.0}  # 5, 10, 15, 20


def reasons(figure: figure_pb2.Figure) -> dict[str, list[str]]:
    judge(figure)
    return {reason.code: list(reason.value_ids) for reason in figure.reasons if reason.code != "uncertain_values"}


def print_on(figure: figure_pb2.Figure, *texts: str) -> figure_pb2.Figure:
    """Put printed labels on the points, series by series; "" leaves one measured."""
    points = [point for series in figure.chart.series for point in series.points]
    for point, text in zip(points, texts, strict=True):
        if text:
            point.y.CopyFrom(
                figure_pb2.Value(value_id=point.y.value_id, number=float(text.strip("%")), printed=text, origin=PRINTED)
            )
    return figure


def without_axis(figure: figure_pb2.Figure) -> figure_pb2.Figure:
    del figure.chart.axes[:]
    return figure


def test_a_chart_without_doubts_passes():
    figure = bars({"Coal": ENDS}, TICKS)
    assert reasons(figure) == {}


def test_labels_that_fit_their_bars_are_no_doubt():
    assert reasons(print_on(bars({"Coal": ENDS}, TICKS), "5", "10", "15", "20")) == {}


def test_a_label_that_does_not_fit_its_bar_is_named():
    figure = print_on(bars({"Coal": ENDS}, TICKS), "5", "10", "75", "20")
    assert reasons(figure) == {"label_geometry_disagree": ["f1.s0.p2.y"]}
    assert values_by_id(figure)["f1.s0.p2.y"].confidence < values_by_id(figure)["f1.s0.p1.y"].confidence


def test_lines_of_one_color_are_doubted_and_of_two_are_not():
    figure = bars({"Coal": ENDS, "Wind": ENDS}, TICKS)
    figure.chart.type = figure_pb2.CHART_TYPE_LINE
    for series, red in zip(figure.chart.series, (30, 200), strict=True):
        series.color.red = red
    assert reasons(figure) == {}
    figure.chart.series[1].color.red = 40
    assert list(reasons(figure)) == ["series_share_a_color"]


def test_a_label_that_reading_did_not_trust_is_named():
    figure = bars({"Coal": ENDS}, TICKS)
    figure.chart.series[0].points[1].y.printed = "700"
    assert reasons(figure) == {"label_geometry_disagree": ["f1.s0.p1.y"]}


def test_a_misread_label_among_many_that_fit_settles_nothing_and_blocks_nothing():
    ends = {f"month {index}": 290.0 - 10 * index for index in range(8)}
    figure = print_on(bars({"Coal": ends}, TICKS), *(f"{index + 1}" for index in range(8)))
    misread = figure.chart.series[0].points[3].y
    misread.number, misread.printed, misread.origin = 4, "41", INTERPOLATED
    assert reasons(figure) == {}
    assert misread.confidence < figure.chart.series[0].points[2].y.confidence


def test_a_rounded_label_is_no_doubt():
    figure = print_on(bars({"Coal": {"Jan": 286.0, "Feb": 265.0}}, TICKS), "1", "4")
    assert reasons(figure) == {}


def test_labels_in_another_unit_than_the_axis_are_no_doubt():
    # 5, 10, 15 and 20 of 50 are per cent of a total on an axis that counts.
    figure = print_on(bars({"Coal": ENDS}, TICKS), "10%", "20%", "30%", "40%")
    assert reasons(figure) == {}


def test_labels_of_parts_are_held_against_their_own_length():
    figure = stack({"Coal": {"2019": (200.0, 300.0)}, "Wind": {"2019": (150.0, 200.0)}}, TICKS)
    assert reasons(print_on(figure, "10", "5")) == {}


def test_without_an_axis_labels_are_held_against_each_other():
    figure = without_axis(print_on(bars({"Coal": ENDS}, TICKS), "5", "10", "1.5", "20"))
    assert reasons(figure)["label_geometry_disagree"] == ["f1.s0.p2.y"]


def test_longer_bars_with_smaller_numbers_are_out_of_order():
    figure = without_axis(print_on(bars({"Coal": ENDS}, TICKS), "4", "10", "1", "13"))
    assert reasons(figure)["labels_not_monotone"] == ["f1.s0.p2.y"]


def test_two_ticks_are_few():
    assert set(reasons(bars({"Coal": ENDS}, TICKS[:2]))) == {"few_ticks"}


def test_printed_values_need_no_ticks():
    assert reasons(print_on(bars({"Coal": ENDS}, TICKS[:2]), "5", "10", "15", "20")) == {}


def test_ticks_off_their_line_are_doubted_as_a_share_of_their_distance():
    figure = bars({"Coal": ENDS}, TICKS)
    figure.chart.axes[0].calibration.residual_px = 2.5
    assert reasons(figure) == {}
    for index, tick in enumerate(figure.chart.axes[0].ticks):
        tick.position_px = 300 - 20 * index
    assert set(reasons(figure)) == {"residual_too_high"}


def test_an_axis_that_most_ticks_miss_is_doubted():
    figure = bars({"Coal": ENDS}, (*TICKS, (0.0, 99.0), (50.0, 98.0)))
    assert set(reasons(figure)) == {"ticks_disagree"}


def test_only_the_values_of_the_doubtful_axis_are_named():
    figure = scatter([(150.0, 150.0)], TICKS[:2], TICKS)
    assert reasons(figure)["few_ticks"] == ["f1.s0.p0.x"]


def test_slices_that_do_not_make_a_hundred_are_doubted():
    figure = bars({"": {"Coal": 250.0, "Wind": 200.0, "Sun": 100.0}}, TICKS, kind=figure_pb2.CHART_TYPE_PIE)
    figure.chart.series[0].unit = "%"
    del figure.chart.axes[:]
    assert reasons(print_on(figure, "50.4%", "29.8%", "19.7%")) == {}
    assert reasons(print_on(figure, "50.4%", "29.8%", "79.7%")) == {
        "parts_do_not_add_up": ["f1.s0.p0.y", "f1.s0.p1.y", "f1.s0.p2.y"]
    }


def test_the_stack_that_does_not_make_a_hundred_is_named():
    ticks = ((300.0, 0.0), (200.0, 50.0), (100.0, 100.0))
    tops = {"2018": 200.0, "2019": 160.0, "2020": 150.0}
    figure = stack(
        {
            "Coal": {year: (top, 300.0) for year, top in tops.items()},
            "Wind": {year: (100.0 if year != "2019" else 130.0, top) for year, top in tops.items()},
        },
        ticks,
    )
    assert reasons(figure) == {"parts_do_not_add_up": ["f1.s0.p1.y", "f1.s1.p1.y"]}


def test_parts_that_are_printed_and_as_long_as_they_say_may_lack_one_that_is_not_drawn():
    ticks = ((300.0, 0.0), (200.0, 50.0), (100.0, 100.0))
    tops = {"2018": 200.0, "2019": 160.0, "2020": 150.0}
    figure = stack(
        {
            "Yes": {year: (top, 300.0) for year, top in tops.items()},
            "No": {year: (100.0 if year != "2019" else 120.0, top) for year, top in tops.items()},
        },
        ticks,
    )
    assert reasons(print_on(figure, "50", "70", "75", "50", "20", "25")) == {}


def test_stacks_of_other_totals_need_not_add_up():
    figure = stack({"Coal": {"a": (100.0, 300.0), "b": (250.0, 300.0)}, "Wind": {"a": (50.0, 100.0)}}, TICKS)
    assert reasons(figure) == {}


def test_names_that_are_missing_or_stand_twice_are_told_with_their_values():
    figure = bars({"Coal": {"Jan": 250.0}, "": {"Jan": 200.0}, "Wind": {"Jan": 150.0}}, TICKS)
    assert reasons(figure) == {"missing_series_names": ["f1.s1.p0.y"]}
    figure.chart.series[1].name = "Wind"
    assert reasons(figure) == {"duplicate_series_names": ["f1.s1.p0.y", "f1.s2.p0.y"]}


def test_a_label_that_stands_twice_is_told_but_initials_are_not():
    figure = bars({"Coal": {"May": 250.0, "Mai": 200.0}}, TICKS)
    figure.chart.series[0].points[1].label = "May"
    assert reasons(figure) == {"duplicate_labels": ["f1.s0.p0.y", "f1.s0.p1.y"]}
    for point in figure.chart.series[0].points:
        point.label = "M"
    assert reasons(figure) == {}


def test_bars_that_are_only_numbered_have_no_labels():
    figure = bars({"Coal": {"1": 250.0, "2": 200.0}}, TICKS)
    assert reasons(figure) == {}
    for point in figure.chart.series[0].points:
        point.ClearField("label_box")
    assert set(reasons(figure)) == {"missing_category_labels"}


def test_a_bar_that_was_not_found_is_missed():
    figure = bars({"Coal": {"Jan": 250.0, "Mar": 200.0}}, TICKS)
    categories = figure.chart.axes.add(dimension=X, scale=figure_pb2.AXIS_SCALE_CATEGORY)
    for label in ("Jan", "Feb", "Mar"):
        categories.ticks.add(label=label)
    judge(figure)
    assert [reason.message for reason in figure.reasons if reason.code == "missing_points"] == [
        "Coal has no value for 'Feb'"
    ]


def test_what_reading_doubted_stays():
    figure = bars({"Coal": ENDS}, TICKS)
    figure.reasons.add(code="many_pieces", message="only the 40 largest pieces were looked at")
    judge(figure)
    judge(figure)
    assert [reason.code for reason in figure.reasons if reason.code != "uncertain_values"] == ["many_pieces"]
    assert figure.fidelity != figure_pb2.FIDELITY_PASS


def test_a_chart_without_numbers_fails():
    figure = figure_pb2.Figure(chart=figure_pb2.Chart(type=figure_pb2.CHART_TYPE_BAR), confidence=0.9)
    figure.chart.series.add(name="Coal").points.add(label="Jan")
    number_figures([figure])
    judge(figure)
    assert figure.fidelity == figure_pb2.FIDELITY_FAIL
    assert [reason.code for reason in figure.reasons] == ["no_values"]


def test_a_bar_of_a_pixel_is_less_sure_than_a_long_one():
    figure = bars({"Coal": {"Jan": 299.0, "Feb": 290.0, "Mar": 100.0}}, TICKS)
    short, middle, long = (point.y.confidence for point in figure.chart.series[0].points)
    assert short < middle < long


def test_what_a_person_gave_is_sure_and_a_guess_is_not():
    figure = bars({"Coal": ENDS}, TICKS)
    first, second = figure.chart.series[0].points[:2]
    first.y.origin, second.y.origin = figure_pb2.ORIGIN_CORRECTED, figure_pb2.ORIGIN_GUESSED
    judge(figure)
    assert first.y.confidence == 1.0
    assert second.y.confidence < 0.7


def test_cells_keep_the_confidence_they_have():
    figure = table([["Region", "Sales"], ["North", "12"]])
    assert {cell.value.confidence for cell in figure.table.cells} == {0.99}


@pytest.mark.parametrize("make", [lambda: bars({"Coal": ENDS}, TICKS), lambda: table([["a", "b"], ["c", "1"]])])
def test_judging_twice_is_judging_once(make):
    figure = make()
    before = figure.SerializeToString(deterministic=True)
    judge(figure)
    assert figure.SerializeToString(deterministic=True) == before


def test_boxes_of_any_shape_are_judged():
    figure = bars({"Coal": ENDS}, TICKS)
    for point in figure.chart.series[0].points:
        point.mark_box.CopyFrom(Box(x_min=5, x_max=5, y_min=9, y_max=9))
        point.y.ClearField("position_px")
    judge(figure)
    assert figure.fidelity != figure_pb2.FIDELITY_UNSPECIFIED


def test_the_weights_are_what_their_script_writes():
    made = json.loads(WEIGHTS.read_text(encoding="utf8"))
    assert set(made) == {
        "made_by", "least_expected", "least_expected_of_table", "fit_of_charts", "fit_of_tables", "weights"
    }  # fmt: skip
    for fit in (made["fit_of_charts"], made["fit_of_tables"]):
        assert set(fit) == {"date", "kinds", "seeds", "values"}
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", fit["date"])
        assert fit["values"] > 1000
    negative = {name for name, weight in made["weights"].items() if weight < 0}
    assert all(name.startswith(CONSTANT) for name in negative)
