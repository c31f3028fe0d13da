"""Corrections by a person, and what follows from them without the picture."""

from __future__ import annotations

import pytest

from loupe.type.v1 import figure_pb2
from loupe.vision.v1.vision_pb2 import (
    Correction,
    LabelCorrection,
    SeriesCorrection,
    TickCorrection,
    ValueCorrection,
)
from servers.kit.errors import InvalidField
from servers.vision.recalibrate import recalibrate
from tests.vision_figures import Y2, X, Y, axis, bars, numbers, scatter, stack, table, values_by_id

# Zero at 300 px, ten a hundred pixels; the tick that should be 20 was read as 26.
MISREAD = ((300.0, 0.0), (100.0, 26.0))
REPAIRED = ((300.0, 0.0), (100.0, 20.0))
RIGHT = ((300.0, 0.0), (200.0, 10.0), (100.0, 20.0))
# All ticks lost their decimal point: a tenth was read as one.
TENFOLD = ((300.0, 0.0), (200.0, 10.0), (100.0, 20.0), (0.0, 30.0))


def tick(index: int, number: float, dimension: figure_pb2.AxisDimension.ValueType = Y) -> Correction:
    return Correction(tick=TickCorrection(dimension=dimension, tick=index, number=number))


def value(value_id: str, printed: str) -> Correction:
    return Correction(value=ValueCorrection(value_id=value_id, printed=printed))


def label(old: str, new: str) -> Correction:
    return Correction(label=LabelCorrection(label=old, corrected=new))


def codes(figure: figure_pb2.Figure) -> set[str]:
    return {reason.code for reason in figure.reasons}


def test_a_corrected_tick_gives_the_chart_that_the_right_tick_would_have_given():
    ends = {"Coal": {"2019": 250.0, "2020": 125.0}, "Wind": {"2019": 280.0, "2020": 60.0}}
    corrected, changed = recalibrate(bars(ends, MISREAD), [tick(1, 20)])
    expected = bars(ends, REPAIRED)
    expected.chart.axes[0].ticks[1].label = "26"
    expected.chart.axes[0].ticks[1].is_corrected = True
    assert corrected == expected
    assert numbers(corrected) == pytest.approx({"f1.s0.p0.y": 5, "f1.s0.p1.y": 17.5, "f1.s1.p0.y": 2, "f1.s1.p1.y": 24})
    assert changed == ["f1.s0.p0.y", "f1.s0.p1.y", "f1.s1.p0.y", "f1.s1.p1.y"]


def test_the_request_itself_is_left_as_it_was():
    figure = bars({"Coal": {"2019": 250.0}}, MISREAD)
    before = figure.SerializeToString(deterministic=True)
    recalibrate(figure, [tick(1, 20)])
    assert figure.SerializeToString(deterministic=True) == before


def test_only_values_of_the_corrected_axis_change():
    figure = bars(
        {"Rain": {"Jan": 250.0}, "Yield": {"Jan": 150.0}},
        RIGHT,
        right_ticks=((300, 0), (200, 1), (100, 2)),
        on_right=["Yield"],
    )
    corrected, changed = recalibrate(figure, [tick(1, 100, Y2), tick(2, 200, Y2)])
    assert changed == ["f1.s1.p0.y"]
    assert numbers(corrected) == pytest.approx({"f1.s0.p0.y": 5, "f1.s1.p0.y": 150})


def test_ticks_corrected_one_by_one_outvote_those_still_misread():
    figure = bars({"Coal": {"2019": 150.0}}, TENFOLD)
    first, _ = recalibrate(figure, [tick(0, 0), tick(1, 1)])
    assert numbers(first) == pytest.approx({"f1.s0.p0.y": 1.5})
    assert "ticks_disagree" in codes(first)
    second, changed = recalibrate(first, [tick(2, 2)])
    assert numbers(second) == pytest.approx({"f1.s0.p0.y": 1.5})
    assert "ticks_disagree" not in codes(second)
    # The number is the same, and surer.
    assert changed == ["f1.s0.p0.y"]
    assert values_by_id(second)["f1.s0.p0.y"].confidence > values_by_id(first)["f1.s0.p0.y"].confidence


def test_a_tick_that_says_the_same_changes_nothing_but_its_mark():
    figure = bars({"Coal": {"2019": 250.0}}, RIGHT)
    corrected, changed = recalibrate(figure, [tick(1, 10)])
    assert changed == []
    assert corrected.chart.axes[0].ticks[1].is_corrected
    corrected.chart.axes[0].ticks[1].is_corrected = False
    assert corrected == figure


def test_parts_of_a_stack_are_measured_from_their_own_base():
    figure = stack({"Coal": {"2019": (200.0, 300.0)}, "Wind": {"2019": (150.0, 200.0)}}, TENFOLD)
    corrected, _ = recalibrate(figure, [tick(index, index * 100) for index in range(4)])
    assert numbers(corrected) == pytest.approx({"f1.s0.p0.y": 100, "f1.s1.p0.y": 50})


def test_a_bar_without_a_stored_position_is_measured_at_the_edge_of_its_mark():
    figure = bars({"Coal": {"2019": 250.0, "2020": 340.0}}, RIGHT)
    for point in figure.chart.series[0].points:
        point.y.ClearField("position_px")
    corrected, _ = recalibrate(figure, [tick(1, 20), tick(2, 40)])
    assert numbers(corrected) == pytest.approx({"f1.s0.p0.y": 10, "f1.s0.p1.y": -8})


def test_a_value_whose_place_is_not_known_stays_and_is_told():
    figure = bars({"Coal": {"2019": 250.0, "2020": 150.0}}, RIGHT)
    lost = figure.chart.series[0].points[1].y
    lost.ClearField("position_px")
    lost.number = 99
    corrected, _ = recalibrate(figure, [tick(1, 20), tick(2, 40)])
    assert numbers(corrected) == pytest.approx({"f1.s0.p0.y": 10, "f1.s0.p1.y": 99})
    (told,) = [reason for reason in corrected.reasons if reason.code == "not_measured_again"]
    assert list(told.value_ids) == ["f1.s0.p1.y"]
    assert corrected.fidelity != figure_pb2.FIDELITY_PASS


def test_a_log_axis_stays_logarithmic():
    figure = scatter([(150.0, 50.0)], ((100, 1), (200, 10), (300, 1000)), RIGHT, x_scale=figure_pb2.AXIS_SCALE_LOG)
    corrected, _ = recalibrate(figure, [tick(2, 100, X)])
    assert values_by_id(corrected)["f1.s0.p0.x"].number == pytest.approx(10**0.5)
    assert corrected.chart.axes[0].scale == figure_pb2.AXIS_SCALE_LOG


def test_a_broken_axis_is_fitted_stretch_by_stretch():
    figure = bars({"Coal": {"2019": 250.0, "2020": 50.0}}, ((300, 0), (200, 10)))
    upper = axis(Y, ((100, 500), (0, 600)))
    broken = figure.chart.axes[0]
    broken.ticks.extend(upper.ticks)
    broken.segments.extend([upper.calibration, broken.calibration])
    broken.segments[0].from_px, broken.segments[0].to_px = -5, 110
    broken.segments[1].from_px, broken.segments[1].to_px = 190, 305
    broken.ClearField("calibration")
    corrected, changed = recalibrate(figure, [tick(3, 700)])
    assert changed == ["f1.s0.p1.y"]
    assert numbers(corrected) == pytest.approx({"f1.s0.p0.y": 5, "f1.s0.p1.y": 600})


def test_points_on_a_corrected_x_axis_are_labelled_again():
    figure = scatter([(150.0, 50.0), (250.0, 50.0)], ((100, 1), (200, 2), (300, 9)), RIGHT)
    corrected, _ = recalibrate(figure, [tick(1, 20, X), tick(2, 30, X), tick(0, 10, X)])
    assert [point.label for point in corrected.chart.series[0].points] == ["15", "25"]


def test_points_on_a_date_axis_are_labelled_as_finely_as_before():
    january, march, april = 1577836800, 1583020800, 1585699200
    ticks = ((100.0, january), (191.0, march))
    figure = scatter(
        [(191.0, 50.0)],
        ticks,
        RIGHT,
        x_scale=figure_pb2.AXIS_SCALE_DATE,
        kind=figure_pb2.CHART_TYPE_LINE,
        label="Mar 2020",
    )
    corrected, _ = recalibrate(figure, [tick(1, april, X)])
    assert [point.label for point in corrected.chart.series[0].points] == ["Apr 2020"]


def test_a_point_labelled_by_the_corrected_tick_takes_its_number():
    figure = scatter([(200.0, 50.0)], ((100, 2018), (200, 2079), (300, 2020)), RIGHT, kind=figure_pb2.CHART_TYPE_LINE)
    point = figure.chart.series[0].points[0]
    point.x.CopyFrom(
        figure_pb2.Value(
            value_id="f1.s0.p0.x",
            number=2079,
            printed="2079",
            origin=figure_pb2.ORIGIN_PRINTED,
            box=figure.chart.axes[0].ticks[1].box,
        )
    )
    corrected, _ = recalibrate(figure, [tick(1, 2019, X)])
    (point,) = corrected.chart.series[0].points
    assert (point.label, point.x.number, point.x.origin) == ("2019", 2019, figure_pb2.ORIGIN_CORRECTED)


def test_a_value_is_what_the_person_says_it_prints():
    figure = bars({"Coal": {"2019": 250.0, "2020": 125.0}}, RIGHT)
    corrected, changed = recalibrate(figure, [value("f1.s0.p1.y", "(1,204.5)")])
    assert changed == ["f1.s0.p1.y"]
    assert values_by_id(corrected)["f1.s0.p1.y"] == figure_pb2.Value(
        value_id="f1.s0.p1.y",
        number=-1204.5,
        printed="(1,204.5)",
        origin=figure_pb2.ORIGIN_CORRECTED,
        confidence=1.0,
        box=figure.chart.series[0].points[1].y.box,
    )


def test_a_corrected_value_outlasts_a_later_corrected_tick():
    figure = bars({"Coal": {"2019": 250.0, "2020": 125.0}}, MISREAD)
    corrected, _ = recalibrate(figure, [value("f1.s0.p0.y", "7"), tick(1, 20)])
    assert numbers(corrected) == pytest.approx({"f1.s0.p0.y": 7, "f1.s0.p1.y": 17.5})


def test_a_cell_takes_words_as_well_as_numbers():
    figure = table([["Region", "Sales"], ["North", "12"], ["Sout", "5"]])
    corrected, changed = recalibrate(
        figure, [value("f1.r1.c1", "12.5 %"), value("f1.r2.c0", "South"), value("f1.r2.c1", "n/a")]
    )
    cells = {cell.value.value_id: cell for cell in corrected.table.cells}
    assert (cells["f1.r1.c1"].value.number, cells["f1.r1.c1"].unit) == (12.5, "%")
    assert cells["f1.r2.c0"].value.printed == "South"
    assert not cells["f1.r2.c1"].value.HasField("number")
    assert changed == ["f1.r1.c1", "f1.r2.c0", "f1.r2.c1"]


def test_a_label_is_corrected_in_every_series_and_on_the_axis():
    figure = bars({"Coal": {"Jna": 250.0}, "Wind": {"Jna": 125.0}}, RIGHT)
    categories = figure.chart.axes.add(dimension=X, scale=figure_pb2.AXIS_SCALE_CATEGORY)
    categories.ticks.add(label="Jna", position_px=10)
    corrected, changed = recalibrate(figure, [label("Jna", "Jan")])
    assert [point.label for series in corrected.chart.series for point in series.points] == ["Jan", "Jan"]
    assert corrected.chart.axes[1].ticks[0].label == "Jan"
    assert changed == []


def test_a_series_gets_its_name_and_the_doubt_about_it_goes():
    figure = bars({"": {"2019": 250.0}, "Wind": {"2019": 125.0}}, RIGHT)
    assert "missing_series_names" in codes(figure)
    corrected, _ = recalibrate(figure, [Correction(series=SeriesCorrection(series=0, name="Coal"))])
    assert corrected.chart.series[0].name == "Coal"
    assert "missing_series_names" not in codes(corrected)
    assert numbers(corrected) == numbers(figure)


def test_a_printed_value_stays_and_is_held_against_the_corrected_axis():
    figure = bars({"Coal": {"2019": 250.0, "2020": 200.0, "2021": 125.0}}, TENFOLD)
    for point, text in zip(figure.chart.series[0].points, ("0.5", "1.0", "1.75"), strict=True):
        point.y.printed, point.y.number, point.y.origin = text, float(text), figure_pb2.ORIGIN_PRINTED
        point.y.ClearField("position_px")
    figure.chart.series[0].points[1].y.number = 8
    figure.chart.series[0].points[1].y.printed = "8"
    corrected, _ = recalibrate(figure, [tick(index, index) for index in range(4)])
    assert numbers(corrected) == {"f1.s0.p0.y": 0.5, "f1.s0.p1.y": 8, "f1.s0.p2.y": 1.75}
    (told,) = corrected.reasons[:1]
    assert (told.code, list(told.value_ids)) == ("label_geometry_disagree", ["f1.s0.p1.y"])


@pytest.mark.parametrize(
    ("corrections", "field"),
    [
        ([tick(3, 30)], "corrections[0].tick.tick"),
        ([tick(0, 1, Y2)], "corrections[0].tick.dimension"),
        ([tick(0, 1, X)], "corrections[0].tick.dimension"),
        ([value("f1.s0.p0.y", "5"), value("f1.s0.p9.y", "5")], "corrections[1].value.value_id"),
        ([value("f1.s0.p0.y", "many")], "corrections[0].value.printed"),
        ([label("2018", "2019")], "corrections[0].label.label"),
        ([Correction(series=SeriesCorrection(series=1, name="Coal"))], "corrections[0].series.series"),
        # Three surely right ticks that lie on no line.
        ([tick(0, 0), tick(1, 10), tick(2, 500)], "corrections[2].tick.number"),
        ([Correction()], "corrections[0]"),
    ],
)
def test_what_is_not_there_or_does_not_fit_is_named(corrections: list[Correction], field: str):
    figure = bars({"Wind": {"2020": 250.0}}, RIGHT)
    figure.chart.axes.add(dimension=X, scale=figure_pb2.AXIS_SCALE_CATEGORY).ticks.add(label="2020")
    with pytest.raises(InvalidField) as refused:
        recalibrate(figure, corrections)
    assert refused.value.violations[0][0] == field


def test_a_log_axis_takes_no_zero():
    figure = scatter([(150.0, 50.0)], ((100, 1), (200, 10), (300, 100)), RIGHT, x_scale=figure_pb2.AXIS_SCALE_LOG)
    with pytest.raises(InvalidField, match="a logarithmic axis has no 0"):
        recalibrate(figure, [tick(0, 0, X)])
