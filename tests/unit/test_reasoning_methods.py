"""Questions on methods, words, colours and several figures: each phrasing gets its answer, each number its values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Analysis
from loupe.type.v1 import figure_pb2 as pb
from loupe.type.v1.answer_pb2 import Answer
from servers.codegen.programs.assemble import assemble
from servers.critic.checkers.ast_policy import check_policy
from servers.critic.checkers.bandit import BanditScanner
from servers.critic.policy import load_policy
from servers.critic.program import parse
from servers.orchestrator.trace import untraced
from servers.reasoning.understanding import Refusal, understand
from tests.unit import reasoning_figures
from tests.unit.reasoning_figures import EXPORTS, GROWING, LAKES, OUTPUT, PRICES, SCORES, TRADE, TREES, WAGES
from tests.unit.reasoning_phrasings import PHRASINGS
from tests.unit.reasoning_programs import Programs, chart, warm_programs


class Asked:
    """Asks as a job does; a plan that was carried out before is not carried out again."""

    def __init__(self, programs: Programs) -> None:
        self.programs = programs
        self._answers: dict[bytes, dict[str, Any]] = {}

    def ask(self, question: str, *figures: pb.Figure) -> dict[str, Any]:
        analysis = understand(question, figures)
        if isinstance(analysis, Refusal):
            return {"status": "ANSWER_STATUS_UNANSWERABLE", "short_text": "", "values": [], "reason": analysis.reason}
        same = Analysis()
        same.CopyFrom(analysis)
        same.question = ""
        key = b"".join(one.SerializeToString(deterministic=True) for one in (same, *figures))
        if key not in self._answers:
            self._answers[key] = self.programs.carry_out(analysis, *figures)
        return self._answers[key]


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    with warm_programs() as running:
        yield Asked(running)


@pytest.mark.parametrize(
    ("names", "question"), [(names, question) for names, wordings in PHRASINGS.items() for question in wordings]
)
def test_each_phrasing_gets_its_answer_and_each_number_its_values(asked, names, question):
    figures = [getattr(reasoning_figures, name) for name in names]
    answer = asked.ask(question, *figures)
    assert answer["short_text"] == PHRASINGS[names][question]
    if answer["status"] == "ANSWER_STATUS_ANSWERED":
        assert untraced(ParseDict(answer, Answer()), figures, question) == ""


def test_a_correlation_states_its_method_the_number_of_pairs_and_the_chance(asked):
    answer = asked.ask("What is the correlation between age and height?", TREES)
    assert answer["text"].startswith("Over 10 pairs of “Age” and “Height”, Pearson's r is 0.718 (p = 0.019)")
    assert "Spearman's rho, of the ranks, is 0.818" in answer["text"]
    assert {"f1.s0.p0.x", "f1.s0.p0.y"} <= set(answer["values"][0]["value_ids"])


def test_a_correlation_over_several_series_is_told_by_series_too(asked):
    answer = asked.ask("What is the correlation between speed and price?", PRICES)
    assert "By series: “Cars” 0.99, “Vans” -0.989." in answer["text"]


def test_a_forecast_states_its_interval_and_that_it_is_an_extrapolation(asked):
    answer = asked.ask("What will the users be in 2021?", GROWING)
    assert "the straight line by least squares" in answer["text"]
    assert "95% prediction interval" in answer["text"]
    assert "This is an extrapolation" in answer["text"]
    assert {value["name"] for value in answer["values"]} >= {"low end of the interval", "high end of the interval"}


def test_a_forecast_further_than_the_values_reach_back_is_refused(asked):
    answer = asked.ask("What will the users be in 2090?", GROWING)
    assert answer["status"] == "ANSWER_STATUS_UNANSWERABLE"
    assert "too far to carry them on" in answer["reason"]


def test_a_past_year_that_is_not_there_is_no_forecast(asked):
    assert "“2009”" in asked.ask("What were the users in 2009?", GROWING)["reason"]


def test_a_cut_bin_counts_by_the_part_inside_and_the_answer_says_so(asked):
    answer = asked.ask("How many students scored above 50?", SCORES)
    assert answer["text"] == (
        "72.5 of 100 lie above 50, 72.5%; "
        "the bin that is cut counts by the part inside, its values taken as evenly spread."
    )


def test_what_a_quartile_range_is_made_of_is_said(asked):
    answer = asked.ask("What is the interquartile range of Clerks?", WAGES)
    assert answer["text"] == "The spread of “lower quartile” at “Clerks” and “upper quartile” at “Clerks” is 6."


def test_a_quoted_cell_is_named_by_its_value(asked):
    answer = asked.ask("What is the capital of Peru?", LAKES)
    assert answer["text"] == "“Capital” of “Peru” is “Lima”."
    assert answer["quoted_value_ids"] == ["f1.r1.c1"]


def test_a_ratio_across_figures_cites_both(asked):
    answer = asked.ask("What is the ratio of exports to GDP in 2019?", TRADE, OUTPUT)
    assert answer["values"][0]["value_ids"] == ["f1.s0.p2.y", "f2.s0.p2.y"]
    assert answer["text"] == "“2019” of “Exports in billion” (30) is 0.125 times “2019” of “GDP in billion” (240)."


def test_numbers_counted_in_different_sizes_are_warned_about(asked):
    small = chart({"v": {"2019": 240}}, title="GDP in million", measure="GDP", named=False, figure_id="f2")
    answer = asked.ask("What is the ratio of exports to GDP in 2019?", TRADE, small)
    assert answer["text"].endswith("count in different sizes; their numbers are taken as they stand.")


def test_a_question_that_two_figures_could_answer_says_which_one_it_took(asked):
    answer = asked.ask("What is the total?", TRADE, OUTPUT)
    assert "Several figures could be meant; this is about the one called “Exports in billion”." in answer["text"]


def test_a_figure_in_doubt_is_named_as_such(asked):
    doubtful = pb.Figure()
    doubtful.CopyFrom(GROWING)
    doubtful.fidelity = pb.FIDELITY_REVIEW
    doubtful.reasons.add(code="few_ticks", message="the axis has few ticks.")
    answer = asked.ask("What were the users in 2016?", doubtful)
    assert answer["text"].endswith("The reading of the figure should be checked first: few ticks.")


def test_crossing_lines_meet_between_two_times_at_a_height(asked):
    answer = asked.ask("Where do Chile and Peru cross?", EXPORTS)
    assert answer["short_text"] == "2013 to 2014"
    assert "cross 1 time: between “2013” and “2014”, at about 15, “Chile” rising." in answer["text"]


_POLICY = load_policy()
_METHODS = [kind for kind in plan.OperationKind.values() if kind >= plan.OPERATION_KIND_SHARES]


@pytest.mark.parametrize("names", PHRASINGS)
def test_the_critic_passes_the_programs_of_every_family(asked, names):
    figures = [getattr(reasoning_figures, name) for name in names]
    kinds: dict[plan.OperationKind.ValueType, Analysis] = {}
    for question in PHRASINGS[names]:
        analysis = understand(question, figures)
        if isinstance(analysis, Analysis):
            kinds.setdefault(analysis.operations[-1].kind, analysis)
    for analysis in kinds.values():
        program = parse(assemble(figures, analysis, asked.programs.library))
        assert [finding.message for finding in check_policy(program, policy=_POLICY)] == []
        assert [finding.message for finding in BanditScanner(_POLICY.data.bandit).scan(program)] == []


def test_every_method_is_asked_for_by_some_phrasing():
    kinds = set()
    for names, wordings in PHRASINGS.items():
        figures = [getattr(reasoning_figures, name) for name in names]
        plans = [understand(question, figures) for question in wordings]
        kinds |= {one.kind for found in plans if isinstance(found, Analysis) for one in found.operations}
    assert set(_METHODS) <= kinds
