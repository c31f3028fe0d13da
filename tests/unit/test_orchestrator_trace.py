"""Every number of an answer comes from a value that was read."""

from __future__ import annotations

import pytest

from loupe.type.v1.answer_pb2 import Answer, AnswerStatus, AnswerValue
from loupe.type.v1.figure_pb2 import Cell, Chart, DataPoint, FidelityReason, Figure, Series, Table, Value
from servers.orchestrator.renumber import renumber
from servers.orchestrator.trace import untraced

CHART = Figure(
    figure_id="f1",
    chart=Chart(
        title="Sales 2024",
        series=[
            Series(name="Group 7", points=[DataPoint(label="2021", y=Value(value_id="f1.s0.p0.y", number=1234.5))])
        ],
    ),
)
TABLE = Figure(figure_id="f2", table=Table(cells=[Cell(value=Value(value_id="f2.r0.c0", printed="88 kg"))]))


def answered(text: str, short_text: str = "", *values: AnswerValue) -> Answer:
    return Answer(status=AnswerStatus.ANSWER_STATUS_ANSWERED, text=text, short_text=short_text, values=values)


TOTAL = AnswerValue(name="total", number=1234.5, text="1,234.5", value_ids=["f1.s0.p0.y"])


@pytest.mark.parametrize(
    "answer",
    [
        answered("The total is 1,234.5.", "1234.5", TOTAL),
        answered("In 2021 Group 7 had 1,234.5, as Sales 2024 shows.", "", TOTAL),
        answered("The cell says 88 kg.", "88 kg"),
        answered("You asked about 55.", ""),
        answered("Nothing numeric here.", "none"),
        Answer(status=AnswerStatus.ANSWER_STATUS_UNANSWERABLE, reason="there is no 2030"),
    ],
)
def test_a_number_from_a_value_a_label_or_the_question_is_traced(answer):
    assert untraced(answer, [CHART, TABLE], "Is it above 55?") == ""


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (answered("The total is 1,234.6.", "", TOTAL), "its text holds 1234.6"),
        (answered("The total is 1,234.5.", "99", TOTAL), "its text holds 99"),
        (answered("It is.", "", AnswerValue(name="x", text="1")), "'x' names no value"),
        (answered("It is.", "", AnswerValue(name="x", value_ids=["f9.s0.p0.y"])), "'x' names f9.s0.p0.y"),
        (answered(""), "it has no text"),
        (Answer(text="It is."), "it has no status"),
        (Answer(status=AnswerStatus.ANSWER_STATUS_UNANSWERABLE), "gives no reason"),
    ],
)
def test_a_number_from_nowhere_is_named(answer, told):
    assert told in untraced(answer, [CHART, TABLE], "")


def test_renumbering_moves_every_id_of_a_figure():
    figure = Figure()
    figure.CopyFrom(CHART)
    figure.reasons.append(FidelityReason(code="x", value_ids=["f1.s0.p0.y"]))
    renumber([figure], after=2)
    assert figure.figure_id == "f3"
    assert figure.chart.series[0].points[0].y.value_id == "f3.s0.p0.y"
    assert list(figure.reasons[0].value_ids) == ["f3.s0.p0.y"]
