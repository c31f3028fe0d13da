"""Scores worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from loupe.type.v1 import figure_pb2
from loupe.type.v1.geometry_pb2 import Box
from tests.specimens.score import overlap, score, score_figure
from tests.specimens.similarity import key_distance, value_distance
from tests.specimens.truth import Axis, Bin, FiveNumbers, Region, Specimen, TrueCell, TrueFigure, TrueTable

_BAR = figure_pb2.CHART_TYPE_BAR
_PASS = figure_pb2.FIDELITY_PASS


def _figure(
    kind: figure_pb2.ChartType.ValueType,
    series: dict[str, dict[str, float]],
    *,
    fidelity: figure_pb2.Fidelity.ValueType = _PASS,
    box: Box | None = None,
) -> figure_pb2.Figure:
    points = {
        name: [
            figure_pb2.DataPoint(label=label, y=figure_pb2.Value(number=y, confidence=0.9))
            for label, y in column.items()
        ]
        for name, column in series.items()
    }
    chart = figure_pb2.Chart(type=kind, series=[figure_pb2.Series(name=name, points=p) for name, p in points.items()])
    return figure_pb2.Figure(figure_id="f1", chart=chart, fidelity=fidelity, box=box)


def _placed(
    kind: figure_pb2.ChartType.ValueType, series: dict[str, list[tuple[float, float]]], *, bins: bool = False
) -> figure_pb2.Figure:
    """Points of (x, y), or with `bins` of (x, y) on bins one wide."""
    found = [
        figure_pb2.Series(
            name=name,
            points=[
                figure_pb2.DataPoint(
                    label=f"{x:g}",
                    x=figure_pb2.Value(number=x),
                    x_end=figure_pb2.Value(number=x + 1) if bins else None,
                    y=figure_pb2.Value(number=y),
                )
                for x, y in pairs
            ],
        )
        for name, pairs in series.items()
    ]
    return figure_pb2.Figure(figure_id="f1", chart=figure_pb2.Chart(type=kind, series=found), fidelity=_PASS)


def test_keys_differ_by_their_edits_over_the_longer_one() -> None:
    assert key_distance("chile", "chile") == 0
    assert key_distance("chile", "chite") == pytest.approx(0.2)
    assert key_distance("abcd", "ab") == pytest.approx(0.5)
    assert key_distance("abcde", "ab") == 1  # 0.6 exceeds tau
    assert key_distance("oslo", "lima") == 1


def test_values_differ_by_their_relative_error_up_to_theta() -> None:
    assert value_distance(90, 100) == pytest.approx(0.1)
    assert value_distance(160, 100) == 1
    assert value_distance(0, 0) == 0
    assert value_distance(1, 0) == 1


def test_a_perfect_reading_scores_one() -> None:
    true = TrueFigure(_BAR, values={"": {"Oslo": 10.0, "Lima": 20.0}}, y=Axis("linear", 0, 25))
    result = score_figure(true, _figure(_BAR, {"Visitors": {"Oslo": 10.0, "Lima": 20.0}}))
    assert result.is_type_right
    assert result.f1 == pytest.approx(1.0)  # the name of a lone series is left out
    assert [value.is_right for value in result.values] == [True, True]


def test_a_missing_a_wrong_and_an_invented_value_cost_what_the_formula_says() -> None:
    true = TrueFigure(_BAR, values={"": {"Oslo": 10.0, "Lima": 20.0}}, y=Axis("linear", 0, 25))
    result = score_figure(true, _figure(_BAR, {"": {"Oslo": 8.0, "Quito": 5.0, "Hanoi": 6.0}}))
    # One pair, worth 1 - 0.2: precision 0.8 / 3, recall 0.8 / 2, F1 = 2 * 0.8 / (3 + 2).
    assert result.f1 == pytest.approx(0.32)
    oslo, lima, *invented = result.values
    assert oslo.error == pytest.approx(0.2)
    assert not oslo.is_right
    assert not lima.is_read
    assert [value.read for value in invented] == [5.0, 6.0]
    assert all(value.is_invented and value.is_passed for value in invented)


def test_names_of_several_series_count() -> None:
    series = {"Men": {"Oslo": 10.0}, "All": {"Oslo": 30.0}}
    true = TrueFigure(figure_pb2.CHART_TYPE_GROUPED_BAR, values=series, y=Axis("linear", 0, 40))
    swapped = {"Men": {"Oslo": 30.0}, "All": {"Oslo": 10.0}}
    result = score_figure(true, _figure(figure_pb2.CHART_TYPE_GROUPED_BAR, swapped))
    # "oslo men" pairs with "oslo men": 30 for 10 and 10 for 30 both exceed theta.
    assert result.f1 == 0
    assert [value.is_right for value in result.values] == [False, False]


def test_near_zero_one_percent_of_the_axis_counts_as_right() -> None:
    true = TrueFigure(_BAR, values={"": {"a1": 0.5, "b2": 50.0}}, y=Axis("linear", 0, 100))
    near, far = score_figure(true, _figure(_BAR, {"": {"a1": 1.4, "b2": 53.0}})).values
    assert near.is_right  # off by 180 %, but by 0.9 of 100
    assert not far.is_right  # off by 6 % and by 3 of 100


def test_log_axes_know_no_share_of_their_span() -> None:
    true = TrueFigure(_BAR, values={"": {"a1": 2.0}}, y=Axis("log", 1, 1000))
    assert not score_figure(true, _figure(_BAR, {"": {"a1": 5.0}})).values[0].is_right


def test_scattered_points_pair_with_the_nearest() -> None:
    true = TrueFigure(
        figure_pb2.CHART_TYPE_SCATTER,
        points={"": ((10.0, 10.0), (50.0, 50.0))},
        x=Axis("linear", 0, 100),
        y=Axis("linear", 0, 100),
    )
    read = _placed(figure_pb2.CHART_TYPE_SCATTER, {"": [(51.0, 50.0), (10.0, 10.0), (80.0, 20.0)]})
    result = score_figure(true, read)
    # Worth 1 and 1 - 0.01; 2 * 1.99 / (3 + 2).
    assert result.f1 == pytest.approx(0.796)
    assert [value.is_right for value in result.values if not value.is_invented] == [True, True]
    assert sum(value.is_invented for value in result.values) == 1


def test_a_curve_is_read_where_the_read_points_lie_on_it() -> None:
    year = 365.0 * 86400
    true = TrueFigure(
        figure_pb2.CHART_TYPE_LINE,
        points={"": tuple((index * year, 10.0 * index) for index in range(11))},
        x=Axis("date", 0, 10 * year),
        y=Axis("linear", 0, 100),
    )
    every_second = [(index * year, 10.0 * index) for index in range(0, 11, 2)]
    result = score_figure(true, _placed(figure_pb2.CHART_TYPE_LINE, {"": every_second}))
    assert result.f1 == pytest.approx(1.0)
    assert all(value.is_right for value in result.values)


def test_a_curve_read_for_half_its_length_is_half_read() -> None:
    true = TrueFigure(
        figure_pb2.CHART_TYPE_LINE,
        points={"": tuple((float(x), 50.0) for x in range(10))},
        x=Axis("linear", 0, 10),
        y=Axis("linear", 0, 100),
    )
    result = score_figure(true, _placed(figure_pb2.CHART_TYPE_LINE, {"": [(float(x), 50.0) for x in range(5)]}))
    assert result.f1 == pytest.approx(2 / 3)  # precision 1, recall 0.5
    assert sum(value.is_right for value in result.values) == 5


def test_bins_pair_where_their_edges_agree() -> None:
    true = TrueFigure(
        figure_pb2.CHART_TYPE_HISTOGRAM,
        bins=(Bin(0, 1, 10), Bin(1, 2, 20)),
        x=Axis("linear", 0, 2),
        y=Axis("linear", 0, 25),
    )
    read = _placed(figure_pb2.CHART_TYPE_HISTOGRAM, {"": [(0.0, 10.0), (1.1, 19.0)]}, bins=True)
    result = score_figure(true, read)
    # Edges off by a tenth of a bin still pair; worth 1 and 0.95.
    assert result.f1 == pytest.approx(0.975)
    assert [value.is_right for value in result.values] == [True, True]
    labelled = score_figure(true, _figure(_BAR, {"": {"0-1": 10.0, "1 to 2": 20.0}}))
    assert labelled.f1 == pytest.approx(1.0)
    assert not labelled.is_type_right


def test_boxes_are_five_series_and_their_outliers() -> None:
    true = TrueFigure(
        figure_pb2.CHART_TYPE_BOX, boxes={"Oslo": FiveNumbers(1, 2, 3, 4, 5, (9,))}, y=Axis("linear", 0, 10)
    )
    read = {
        "lower whisker": {"Oslo": 1.0},
        "lower quartile": {"Oslo": 2.0},
        "median": {"Oslo": 3.0},
        "upper quartile": {"Oslo": 4.0},
        "upper whisker": {"Oslo": 5.0},
        "outlier": {"Oslo": 9.0},
    }
    result = score_figure(true, _figure(figure_pb2.CHART_TYPE_BOX, read))
    assert result.f1 == pytest.approx(1.0)
    assert len(result.values) == 6


def test_cells_are_named_by_their_headers_and_words_must_agree() -> None:
    cells = (
        TrueCell(0, 0, "", is_header=True),
        TrueCell(0, 1, "Price", is_header=True),
        TrueCell(0, 2, "Colour", is_header=True),
        TrueCell(1, 0, "Apple"),
        TrueCell(1, 1, "(1,204)", -1204.0),
        TrueCell(1, 2, "red"),
    )
    true = TrueFigure("table", table=TrueTable(2, 3, 1, 1, cells))
    read = figure_pb2.Table(row_count=2, column_count=3, header_row_count=1, header_column_count=1)
    for row, column, text, number in (
        (0, 1, "Price", None),
        (0, 2, "Colour", None),
        (1, 0, "Apple", None),
        (1, 1, "(1,204)", -1204.0),
        (1, 2, "rod", None),
    ):
        value = figure_pb2.Value(printed=text, number=number)
        read.cells.append(figure_pb2.Cell(row=row, column=column, row_span=1, column_span=1, value=value))
    result = score_figure(true, figure_pb2.Figure(figure_id="f1", table=read, fidelity=_PASS))
    assert result.is_type_right
    assert result.f1 == pytest.approx((1 + 2 / 3) / 2)  # "rod" for "red": two thirds
    assert [value.is_right for value in result.values] == [True, False]


def test_figures_pair_by_overlap_and_spare_ones_are_inventions() -> None:
    left = TrueFigure(_BAR, values={"": {"Oslo": 1.0}}, y=Axis("linear", 0, 2), region=Region(0, 0, 0.5, 1))
    right = TrueFigure(_BAR, values={"": {"Lima": 2.0}}, y=Axis("linear", 0, 2), region=Region(0.5, 0, 1, 1))
    specimen = Specimen("pair", 0, np.zeros((100, 200, 3), np.uint8), (left, right))
    figures = [
        _figure(_BAR, {"": {"Lima": 2.0}}, box=Box(x_min=100, y_min=0, x_max=200, y_max=100)),
        _figure(_BAR, {"": {"Oslo": 1.0}}, box=Box(x_min=0, y_min=0, x_max=100, y_max=100)),
        _figure(_BAR, {"": {"Rome": 3.0}}, box=Box(x_min=90, y_min=90, x_max=95, y_max=95)),
    ]
    first, second = score(specimen, figures)
    assert [first.f1, second.f1] == pytest.approx([1.0, 1.0])
    assert [value.label for value in first.values if value.is_invented] == ["Rome"]


def test_nothing_read_scores_nothing() -> None:
    true = TrueFigure(_BAR, values={"": {"Oslo": 1.0}})
    result = score_figure(true, None)
    assert (result.f1, result.read_kind, result.is_type_right) == (0.0, "", False)
    assert not result.values[0].is_read


def test_overlap_is_intersection_over_union() -> None:
    assert overlap(Region(0, 0, 0.5, 1), Region(0.25, 0, 0.75, 1)) == pytest.approx(1 / 3)
    assert overlap(Region(0, 0, 0.5, 1), Region(0.6, 0, 1, 1)) == 0
