"""What a model says of a figure, held against what was measured."""

from __future__ import annotations

from functools import cache

import pytest

from loupe.type.v1 import figure_pb2 as pb
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse, Correction, ValueCorrection
from servers.kit.models.asking import Unfit
from servers.vision.crosscheck import cross_check
from servers.vision.fidelity.judge import judge
from servers.vision.fidelity.opinions import UNSUPPORTED
from servers.vision.opinion import form
from servers.vision.reading import read_image
from servers.vision.recalibrate import recalibrate
from tests.golden.chart_factory import bars


@cache
def _read() -> pb.Figure:
    (figure,) = read_image(bars(printed=True).rgb).figures
    return figure


def measured(*, is_fit: bool = True) -> pb.Figure:
    """Five bars with their numbers, as read from their picture; or without a number."""
    figure = pb.Figure()
    figure.CopyFrom(_read())
    if not is_fit:
        for point in figure.chart.series[0].points:
            point.y.ClearField("number")
    return figure


def seen(*charts: str) -> list[pb.Figure]:
    return list(form().read('{"figures": [' + ", ".join(charts) + "]}").figures)


def said(points: str, kind: str = "BAR", name: str = "") -> str:
    series = ", ".join(f'{{"label": "{label}", "y": {{"number": {number}}}}}' for label, number in _pairs(points))
    return f'{{"chart": {{"type": "CHART_TYPE_{kind}", "series": [{{"name": "{name}", "points": [{series}]}}]}}}}'


def table(header_rows: int, cells: str) -> str:
    size = f'"row_count": 1, "column_count": 1, "header_row_count": {header_rows}'
    return f'{{"table": {{{size}, "cells": [{cells}]}}}}'


def _pairs(points: str) -> list[tuple[str, str]]:
    return [(label, number) for label, _, number in (pair.partition("=") for pair in points.split())]


def checked(figure: pb.Figure, *charts: str) -> AnalyzeImageResponse:
    answer = AnalyzeImageResponse(width_px=100, height_px=80, figures=[figure])
    cross_check(answer, seen(*charts))
    return answer


AS_READ = "Oslo=34 Lima=61 Cairo=18 Quito=47 Hanoi=72"


def test_agreement_within_five_percent_changes_nothing():
    before = measured()
    assert before.fidelity == pb.FIDELITY_PASS
    (after,) = checked(measured(), said(AS_READ.replace("Oslo=34", "OSLO=35"))).figures
    assert after == before


def test_a_value_read_otherwise_is_doubted_and_counts_half():
    (after,) = checked(measured(), said(AS_READ.replace("Lima=61", "Lima=16"))).figures
    assert (after.fidelity, after.reasons[0].code) == (pb.FIDELITY_REVIEW, "model_disagrees")
    assert after.reasons[0].message == "a model reads 16 for 'Lima', where 61 was printed"
    assert list(after.reasons[0].value_ids) == ["f1.s0.p1.y"]
    values, kept = ([point.y for point in one.chart.series[0].points] for one in (after, measured()))
    assert [value.number for value in values] == [34, 61, 18, 47, 72]
    assert [value.confidence for value in values] == [
        UNSUPPORTED if place == 1 else value.confidence for place, value in enumerate(kept)
    ]
    assert kept[1].confidence > 0.9


def test_a_person_settles_what_a_model_contradicts():
    (figure,) = checked(measured(), said(AS_READ.replace("Lima=61", "Lima=16"))).figures
    correction = Correction(value=ValueCorrection(value_id="f1.s0.p1.y", printed="61"))
    settled, changed = recalibrate(figure, [correction])
    assert changed == ["f1.s0.p1.y"]
    assert "model_disagrees" not in [one.code for one in settled.reasons]
    assert settled.chart.series[0].points[1].y.confidence == 1.0


def test_a_figure_that_the_model_does_not_see_or_sees_otherwise_is_doubted():
    (unseen,) = checked(measured()).figures
    assert (unseen.fidelity, [one.code for one in unseen.reasons]) == (pb.FIDELITY_REVIEW, ["model_sees_none"])
    (other,) = checked(measured(), said("Q1=1 Q2=2 Q3=3 Q4=4")).figures
    assert [one.code for one in other.reasons] == ["model_sees_other"]
    assert other.reasons[0].message == "a model names 0 of the 5 values as they were read, and 4 in all"


def test_figures_that_only_the_model_sees_stay_out_where_something_was_measured():
    answer = checked(measured(), said(AS_READ), said("a=1 b=2"))
    assert len(answer.figures) == 1
    assert list(answer.reasons) == ["A model sees 1 more figure; nothing of it was measured, so it is left out."]


def test_where_nothing_fit_for_use_was_measured_the_models_words_come_in_as_such():
    answer = checked(measured(is_fit=False), said(AS_READ))
    failed, added = answer.figures
    assert (failed.fidelity, added.fidelity) == (pb.FIDELITY_FAIL, pb.FIDELITY_REVIEW)
    assert added.figure_id == "f2"
    assert (added.box.x_max, added.box.y_max) == (100, 80)
    value = added.chart.series[0].points[1].y
    assert (value.value_id, value.number, value.origin) == ("f2.s0.p1.y", 61, pb.ORIGIN_MODEL)
    assert (value.confidence, value.HasField("box")) == (UNSUPPORTED, False)
    assert "only_a_model" in [one.code for one in added.reasons]
    judged = pb.Figure()
    judged.CopyFrom(added)
    judge(judged)
    assert judged == added


def test_a_cells_number_is_what_its_text_says():
    cells = '[{"row": 0, "column": 0, "value": {"printed": "12 %", "number": 99}}]'
    (figure,) = seen(f'{{"table": {{"row_count": 1, "column_count": 1, "cells": {cells}}}}}')
    (cell,) = figure.table.cells
    assert (cell.value.number, cell.unit, cell.row_span) == (12, "%", 1)


@pytest.mark.parametrize(
    ("figure", "why"),
    [
        ('{"chart": {"type": "CHART_TYPE_BAR", "series": []}}', "it has no series"),
        ('{"chart": {"series": [{"name": "a"}]}}', "it has no type"),
        ('{"table": {"row_count": 1, "column_count": 1}}', "it has no cells"),
        (table(1, '{"row": 1, "column": 0, "value": {"printed": "a"}}'), "has a cell at row 1"),
        (table(1, '{"value": {"printed": "a"}}, {"value": {"printed": "b"}}'), "two cells"),
        (table(2, '{"value": {"printed": "a"}}'), "more header rows"),
        ('{"figure_id": "f9", "chart": {}}', "the field figure_id is not yours"),
    ],
)
def test_figures_that_can_be_none_are_told_to_the_model(figure: str, why: str):
    with pytest.raises(Unfit, match=why):
        seen(figure)
