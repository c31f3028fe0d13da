"""Programs, run: what they write, what they say, what they refuse, and that the critic's checks pass them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest
from PIL import Image

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Analysis, Operand, Operation, Selection
from loupe.type.v1 import figure_pb2 as pb
from servers.codegen.checking import check_analysis
from servers.codegen.programs.assemble import Drawing, assemble
from servers.codegen.programs.library import read_library
from servers.critic.checkers.ast_policy import check_policy
from servers.critic.checkers.bandit import BanditScanner
from servers.critic.policy import load_policy
from servers.critic.program import parse
from servers.kit.errors import InvalidField
from tests.unit.reasoning_programs import Programs, chart, grid_table, warm_programs


@pytest.fixture(scope="module")
def programs() -> Iterator[Programs]:
    with warm_programs() as running:
        yield running


def of_kind(kind: plan.OperationKind.ValueType, *operands: Operand) -> Analysis:
    return Analysis(question="?", operations=[Operation(kind=kind, operands=operands or [everything()])])


def everything(aggregate: plan.Aggregate.ValueType = plan.AGGREGATE_UNSPECIFIED) -> Operand:
    return Operand(selection=Selection(subject=plan.SUBJECT_VALUES), aggregate=aggregate)


def at(*categories: str, series: tuple[str, ...] = ()) -> Operand:
    return Operand(selection=Selection(subject=plan.SUBJECT_VALUES, categories=categories, series=series))


SHARES = chart({"Share": {"Yes": 61.5, "No": 30, "Undecided": 8.5}}, kind=pb.CHART_TYPE_PIE, title="Vote", unit="%")
ENERGY = chart(
    {"Coal": {"2019": 12, "2020": 9.5}, "Gas": {"2019": 7, "2020": 8}},
    kind=pb.CHART_TYPE_STACKED_BAR,
    title="Energy",
    measure="TWh",
)


def test_the_same_program_leaves_the_same_bytes(programs):
    source = assemble([ENERGY], of_kind(plan.OPERATION_KIND_TOTAL), programs.library)
    first, second = programs.run(source, [ENERGY]), programs.run(source, [ENERGY])
    assert first.files == second.files
    assert set(first.files) == {"chart.json", "data.csv", "chart.png", "answer.json"}
    assert Image.open(io.BytesIO(first.files["chart.png"])).size == (800, 500)
    assert b"Software" not in first.files["chart.png"]


def test_the_data_file_has_a_row_for_each_category_and_a_column_for_each_series(programs):
    outcome = programs.run(assemble([ENERGY], of_kind(plan.OPERATION_KIND_TOTAL), programs.library), [ENERGY])
    assert outcome.files["data.csv"] == b"category,Coal,Gas\n2019,12,7\n2020,9.5,8\n"


def test_a_percentage_is_printed_with_its_sign(programs):
    answer = programs.carry_out(of_kind(plan.OPERATION_KIND_LOOKUP, at("Yes")), SHARES)
    assert answer["short_text"] == "61.5%"
    assert answer["text"] == "“Yes” is 61.5%."
    assert answer["values"] == [
        {"name": "“Yes”", "number": 61.5, "unit": "%", "text": "61.5%", "value_ids": ["f1.s0.p0.y"]}
    ]


def test_a_currency_and_a_size_are_printed_around_the_number(programs):
    figure = chart({"Sales": {"A": 3.2, "B": 1250}}, unit="$ million")
    answer = programs.carry_out(of_kind(plan.OPERATION_KIND_LOOKUP, at("A", "B")), figure)
    assert answer["text"] == "“A” is $3.2 million; “B” is $1,250 million."
    assert answer["short_text"] == "$3.2, $1250"


def test_a_number_printed_with_its_size_is_quoted_as_it_stands(programs):
    figure = chart({"Deaths": {"A": 1310000.0, "B": 880756.0}})
    figure.chart.series[0].points[0].y.printed = "1.31 million"
    answer = programs.carry_out(of_kind(plan.OPERATION_KIND_LOOKUP, at("A")), figure)
    assert (answer["short_text"], answer["values"][0]["number"]) == ("1.31 million", 1310000.0)


def test_a_difference_of_percentages_is_in_points(programs):
    answer = programs.carry_out(of_kind(plan.OPERATION_KIND_DIFFERENCE, at("Yes"), at("No")), SHARES)
    assert answer["short_text"] == "31.5"
    assert answer["text"] == "The difference is 31.5 percentage points: “Yes” (61.5%) is greater than “No” (30%)."


def test_values_that_were_hard_to_read_are_named(programs):
    figure = chart({"Sales": {"A": 10, "B": 20}})
    figure.chart.series[0].points[1].y.confidence = 0.3
    answer = programs.carry_out(of_kind(plan.OPERATION_KIND_TOTAL), figure)
    assert answer["text"].endswith("is 30. Read with low confidence: “B”.")


def test_a_guessed_value_is_named_though_its_confidence_is_high(programs):
    figure = chart({"Sales": {"A": 10, "B": 20}})
    figure.chart.series[0].points[0].y.origin = pb.ORIGIN_GUESSED
    answer = programs.carry_out(of_kind(plan.OPERATION_KIND_LOOKUP, at("A")), figure)
    assert answer["text"] == "“A” is 10. Read with low confidence: “A”."


def without_number(figure: pb.Figure, point: int) -> pb.Figure:
    figure.chart.series[0].points[point].y.ClearField("number")
    return figure


def test_a_value_that_could_not_be_read_is_no_answer(programs):
    figure = without_number(chart({"Sales": {"A": 10, "B": 20}}), 1)
    answer = programs.carry_out(of_kind(plan.OPERATION_KIND_LOOKUP, at("B")), figure)
    assert answer["status"] == "ANSWER_STATUS_UNANSWERABLE"
    assert answer["reason"] == "no number could be read for “B”"
    assert answer["values"] == []


def test_a_total_says_what_it_leaves_out(programs):
    figure = without_number(chart({"Sales": {"A": 10, "B": 20, "C": 5}}), 1)
    answer = programs.carry_out(of_kind(plan.OPERATION_KIND_TOTAL), figure)
    assert answer["short_text"] == "15"
    assert answer["text"].endswith("Left out, as no number could be read: “B”.")


def test_values_of_different_units_are_not_added(programs):
    table = grid_table([["Country", "People", "Share"], ["France", "$68", "12%"]])
    answer = programs.carry_out(of_kind(plan.OPERATION_KIND_TOTAL), table)
    assert answer["reason"] == "the values have different units: $, %"


def test_a_ratio_to_zero_is_no_answer(programs):
    figure = chart({"Sales": {"A": 10, "B": 0}})
    answer = programs.carry_out(of_kind(plan.OPERATION_KIND_RATIO, at("A"), at("B")), figure)
    assert answer["reason"] == "“B” is zero, so there is no ratio to it"


def test_a_growth_from_zero_is_no_answer(programs):
    figure = chart({"Sales": {"2019": 0, "2020": 4}})
    answer = programs.carry_out(of_kind(plan.OPERATION_KIND_GROWTH, at("2019"), at("2020")), figure)
    assert answer["status"] == "ANSWER_STATUS_UNANSWERABLE"


def test_labels_that_are_missing_or_given_twice_are_told_apart(programs):
    figure = chart({"Sales": {"A": 1, "B": 2, "C": 3}})
    for point, label in zip(figure.chart.series[0].points, ("A", "A", ""), strict=True):
        point.label = label
    outcome = programs.run(assemble([figure], of_kind(plan.OPERATION_KIND_TOTAL), programs.library), [figure])
    assert outcome.files["data.csv"] == b"category,Sales\nA,1\nA (2),2\nrow 3,3\n"
    check_analysis(of_kind(plan.OPERATION_KIND_LOOKUP, at("A (2)", "row 3")), [figure])


def test_series_without_names_are_called_by_their_axis(programs):
    figure = chart({"a": {"X": 1}, "b": {"X": 2}}, named=False, measure="Price")
    answer = programs.carry_out(of_kind(plan.OPERATION_KIND_LOOKUP, at("X", series=("Price (2)",))), figure)
    assert answer["short_text"] == "2"


def test_dots_of_a_scatter_plot_are_called_by_their_x(programs):
    figure = chart({"Trees": {"a": 5, "b": 7.25}}, kind=pb.CHART_TYPE_SCATTER)
    for point, x in zip(figure.chart.series[0].points, (0.5, 12.0), strict=True):
        point.label = ""
        point.x.number = x
    outcome = programs.run(assemble([figure], of_kind(plan.OPERATION_KIND_AVERAGE), programs.library), [figure])
    assert outcome.files["data.csv"] == b"category,Trees\n0.5,5\n12,7.25\n"
    assert outcome.answer["short_text"] == "6.125"


def test_a_table_keeps_its_text_columns_in_the_data_file(programs):
    table = grid_table(
        [["City", "Mayor", "People"], ["Ghent", "De Clercq", "265,086"], ["Bruges", "De fauw", "118,509"]]
    )
    outcome = programs.run(assemble([table], of_kind(plan.OPERATION_KIND_TOTAL), programs.library), [table])
    rows = list(csv.reader(io.StringIO(outcome.files["data.csv"].decode())))
    assert rows == [["category", "Mayor", "People"], ["Ghent", "De Clercq", "265086"], ["Bruges", "De fauw", "118509"]]
    assert outcome.answer["short_text"] == "383595"


def test_two_figures_are_read_each_by_its_id(programs):
    first, second = chart({"S": {"A": 3}}), chart({"T": {"A": 12}}, figure_id="f2")
    operands = [Operand(selection=Selection(figure_id=name, categories=["A"])) for name in ("f2", "f1")]
    answer = programs.carry_out(of_kind(plan.OPERATION_KIND_RATIO, *operands), first, second)
    assert answer["short_text"] == "4"
    assert answer["values"][0]["value_ids"] == ["f2.s0.p0.y", "f1.s0.p0.y"]


def test_supporting_operations_stand_behind_the_answer(programs):
    analysis = of_kind(plan.OPERATION_KIND_TOTAL)
    analysis.operations.extend(of_kind(plan.OPERATION_KIND_LOOKUP, at("No")).operations)
    answer = programs.carry_out(analysis, SHARES)
    assert answer["short_text"] == "30%"
    assert answer["text"] == "“No” is 30%. The total of “Yes”, “No” and “Undecided” is 100%."


def test_filters_can_hold_against_another_operand(programs):
    average = everything(plan.AGGREGATE_MEAN)
    over = plan.Filter(comparison=plan.COMPARISON_GREATER, operand=average)
    counted = Operand(selection=Selection(filters=[over]))
    answer = programs.carry_out(of_kind(plan.OPERATION_KIND_COUNT, counted), chart({"S": {"A": 1, "B": 2, "C": 9}}))
    assert (answer["short_text"], answer["text"]) == ("1", "There is 1: “C”.")


def test_items_equal_to_the_last_of_the_greatest_count_with_it(programs):
    top = Operand(selection=Selection(order=plan.ORDER_DESCENDING, count=1))
    answer = programs.carry_out(of_kind(plan.OPERATION_KIND_TOP_K, top), chart({"S": {"A": 62, "B": 62, "C": 9}}))
    assert answer["short_text"] == "A, B"


def test_the_programs_text_is_the_same_for_the_same_request():
    analysis = of_kind(plan.OPERATION_KIND_TREND)
    assert assemble([ENERGY], analysis, read_library()) == assemble([ENERGY], analysis, read_library())


def test_a_question_cannot_break_out_of_the_docstring(programs):
    analysis = of_kind(plan.OPERATION_KIND_TOTAL)
    analysis.question = 'a """\nimport os\n""" \\" b'
    source = assemble([ENERGY], analysis, programs.library)
    assert "import os\n" not in source
    assert programs.run(source, [ENERGY]).error == ""


@pytest.mark.parametrize("kind", [kind for kind in plan.OperationKind.values() if kind])
@pytest.mark.parametrize("drawing", [Drawing.FULL, Drawing.TEXT])
def test_every_kind_of_program_passes_the_critics_checks(kind, drawing):
    policy = load_policy()
    source = assemble([ENERGY], of_kind(kind, at("2019"), at("2020")), read_library(), drawing)
    program = parse(source)
    assert [finding.message for finding in check_policy(program, policy=policy)] == []
    assert [finding.message for finding in BanditScanner(policy.data.bandit).scan(program)] == []


@pytest.mark.parametrize("kind", [kind for kind in pb.ChartType.values() if kind])
def test_every_type_of_chart_is_drawn(programs, kind):
    figure = chart({"A": {"2019": 3, "2020": -1}, "B": {"2019": 2, "2021": 4}}, kind=kind, title="Costs in $ and $$")
    outcome = programs.run(
        assemble([figure], of_kind(plan.OPERATION_KIND_LOOKUP, at("2019")), programs.library), [figure]
    )
    assert outcome.answer["short_text"] == "3, 2"
    assert outcome.files["chart.png"].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("selection", "field"),
    [
        (Selection(figure_id="f9"), "analysis.operations[0].operands[0].selection.figure_id"),
        (Selection(series=["Oil"]), "analysis.operations[0].operands[0].selection.series"),
        (Selection(categories=["1999"]), "analysis.operations[0].operands[0].selection.categories"),
        (Selection(excluded_categories=["1999"]), "analysis.operations[0].operands[0].selection.excluded_categories"),
    ],
)
def test_a_name_that_is_not_there_is_refused_by_field(selection, field):
    with pytest.raises(InvalidField) as refused:
        check_analysis(of_kind(plan.OPERATION_KIND_LOOKUP, Operand(selection=selection)), [ENERGY])
    assert [name for name, _ in refused.value.violations] == [field]
