"""Whatever is asked of whatever figure: planning ends, every name is checked, and no number is made up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loupe.reasoning.v1.analysis_pb2 import Analysis
from loupe.type.v1.figure_pb2 import Figure
from servers.codegen.checking import check_analysis
from servers.reasoning.understanding import understand
from tests.unit.reasoning_programs import Programs, chart, warm_programs

LABELS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: round(number, 2))
_ASKED = """what which how many much is was the highest lowest second two sum total average median difference between
    and of than more less ratio share percent 2019 2020 30 above below trend grow increase North South Alpha bar value
    year in"""
WORDS = st.sampled_from(re.findall(r"\S+", _ASKED))


@st.composite
def figures(draw: st.DrawFn) -> Figure:
    labels = draw(st.lists(st.one_of(LABELS, st.sampled_from(["2019", "2020", "North"])), min_size=1, max_size=5))
    names = draw(st.lists(st.one_of(LABELS, st.just("Alpha")), min_size=1, max_size=3))
    table = {name: {label: draw(NUMBERS) for label in labels} for name in names}
    return chart(table, title=draw(st.sampled_from(["", "Sales"])), unit=draw(st.sampled_from(["", "%", "$ million"])))


@pytest.fixture(scope="module")
def programs() -> Iterator[Programs]:
    with warm_programs() as running:
        yield running


@settings(max_examples=300, deadline=None)
@given(figures(), st.one_of(st.lists(WORDS, max_size=14).map(" ".join), st.text(max_size=80)))
def test_any_words_become_an_analysis_of_what_is_there_or_a_reason(figure, question):
    result = understand(question, [figure])
    if isinstance(result, Analysis):
        check_analysis(result, [figure])
    else:
        assert result.reason


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(figures(), st.lists(WORDS, min_size=2, max_size=12).map(" ".join))
def test_no_number_stands_in_an_answer_that_was_not_computed_from_values(programs, figure, question):
    answer = programs.ask(question, figure)
    ids = {point.y.value_id for series in figure.chart.series for point in series.points}
    for value in answer["values"]:
        assert value["value_ids"]
        assert set(value["value_ids"]) <= ids
    if answer["status"] == "ANSWER_STATUS_ANSWERED":
        assert strange_numbers(answer, figure) == []


def strange_numbers(answer: dict[str, Any], figure: Figure) -> list[str]:
    """The numbers of the text that are neither an answer's value nor part of a label quoted from the figure."""
    text = answer["text"]
    for quoted in sorted(re.findall("“[^”]*”", text), key=len, reverse=True):
        text = text.replace(quoted, " ")
    for series in figure.chart.series:
        for label in [series.name, *(point.label for point in series.points)]:
            text = text.replace(" ".join(label.split()), " ") if not label.isdecimal() else text
    printed = {re.sub(r"[^0-9.]", "", value["text"]).strip(".") for value in answer["values"]}
    return [
        number
        for number in re.findall(r"[0-9][0-9,]*\.?[0-9]*", text)
        if number.replace(",", "").strip(".") not in printed
    ]
