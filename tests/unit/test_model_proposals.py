"""What a model proposes, held against the figures and the bundle's contract."""

from __future__ import annotations

import pytest

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1 import reasoning_pb2 as pb
from loupe.type.v1.figure_pb2 import FIDELITY_REVIEW
from servers.codegen.proposal import problem_of as problem_of_program
from servers.codegen.proposal import program_of
from servers.kit.models.prompts import read_prompt
from servers.reasoning.proposal import problem_of
from servers.reasoning.shown import shown
from tests.unit.reasoning_programs import chart, warm_programs

SALES = chart({"Sales": {"North": 4, "South": 9}}, title="Sales 2024")
TWIN = chart({"Rain": {"May": 4, "June": 6}}, figure_id="f2")
GOAL = pb.Goal(question="How much in 2030?", may_ask=True)


def written(*selections: plan.Selection, **more: object) -> pb.Action:
    operands = [plan.Operand(selection=selection) for selection in selections]
    analysis = plan.Analysis(
        operations=[plan.Operation(kind=plan.OPERATION_KIND_TOTAL, operands=operands)],
        **more,  # type: ignore[arg-type]  # fields by name
    )
    return pb.Action(write_code=pb.WriteCode(analysis=analysis))


def asked(*ids: str) -> pb.Action:
    return pb.Action(ask_person=pb.AskPerson(prompt="?", choices=[pb.Choice(choice_id=one) for one in ids]))


@pytest.mark.parametrize(
    ("action", "problem"),
    [
        (written(plan.Selection(series=["Sales"], categories=["South"])), ""),
        (written(plan.Selection(figure_id="f2", excluded_categories=["May"])), ""),
        (written(plan.Selection(figure_id="f3")), "there is no figure 'f3'; there are f1, f2"),
        (written(plan.Selection(categories=["Nroth"])), "figure f1 has no category 'Nroth'; it has 'North', 'South'"),
        (written(plan.Selection(figure_id="f2", series=["Sales"])), "figure f2 has no series 'Sales'; it has 'Rain'"),
        (
            written(
                plan.Selection(
                    filters=[plan.Filter(operand=plan.Operand(selection=plan.Selection(categories=["East"])))]
                )
            ),
            "figure f1 has no category 'East'; it has 'North', 'South'",
        ),
        (written(plan.Selection(), refusal="2024 only, not 2030"), ""),
        (
            written(plan.Selection(), assumptions=["It is 13."]),
            "refusal and assumptions may hold no number of their own, and 'It is 13.' holds 13",
        ),
        (asked("f1", "f2"), ""),
        (asked("f1", "yes"), "'yes' is no figure_id; there are f1, f2"),
        (asked("f1", "f1"), "a choice comes twice"),
    ],
)
def test_a_plan_names_what_is_there_and_no_number_of_its_own(action: pb.Action, problem: str):
    assert problem_of(action, GOAL, [SALES, TWIN]) == problem


def test_nobody_is_asked_where_nobody_is_there():
    assert problem_of(asked("f1", "f2"), pb.Goal(question="?"), [SALES, TWIN]) == (
        "nobody is there to be asked: write a plan"
    )


def test_a_planner_sees_names_and_ranges_and_only_so_many():
    many = chart({"Sales": {f"c{number}": number for number in range(130)}})
    (figure,) = shown([many], ["around", " "])["figures"]
    assert figure["series"] == [{"name": "Sales", "count": 130, "least": 0, "greatest": 129}]
    assert (len(figure["categories"]), figure["more_categories"]) == (120, 10)
    assert shown([many], ["around", " "])["text_around"] == ["around"]


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("x = 1", "x = 1\n"),
        ("Sure:\n```python\nx = 1\n```\nDone.", "x = 1\n"),
        ("```\na\n```\n```py\nlonger = 1\n```", "longer = 1\n"),
        ("```python\nx = 1", "x = 1\n"),
    ],
)
def test_a_program_is_found_in_whatever_stands_around_it(text: str, program: str):
    assert program_of(text) == program


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("def solve(:\n", "the program does not parse: invalid syntax (line 1)"),
        ("x = 1\n", "the program has no function solve"),
        ("def solve():\n    return 'chart.json', 'data.csv'\n", "the program never names chart.png, answer.json"),
        ("x = '" + "a" * 262144 + "'\n", "the program has 262151 bytes, at most 262144"),
        ("(" * 5000, "the program does not parse: too many nested parentheses (line 1)"),
    ],
)
def test_a_program_that_can_be_none_for_a_bundle_says_why(source: str, problem: str):
    assert problem_of_program(source) == problem


def test_the_example_in_the_prompt_keeps_the_contract_that_it_shows():
    source = program_of(read_prompt("servers.codegen", "program").text)
    assert problem_of_program(source) == ""
    figure = chart({"Rye": {"2019": 4, "2020": 9}, "Oats": {"2019": 1, "2020": 2}})
    with warm_programs() as programs:
        outcome = programs.run(source, [figure])
        figure.fidelity = FIDELITY_REVIEW
        doubted = programs.run(source, [figure])
    assert set(outcome.files) == {"chart.json", "data.csv", "chart.png", "answer.json"}
    assert outcome.answer["text"] == "The total of Rye is 13."
    assert outcome.answer["values"][0]["value_ids"] == ["f1.s0.p0.y", "f1.s0.p1.y"]
    assert doubted.answer["text"] == "The total of Rye is 13. The reading of the figure should be checked first."
