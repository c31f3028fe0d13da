"""Whatever a model answers is a message that holds, or an answer that can't be used: never a defect."""

from __future__ import annotations

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st

from loupe.reasoning.v1 import reasoning_pb2 as pb
from loupe.type.v1.figure_pb2 import ORIGIN_MODEL, ChartType
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse
from servers.codegen.proposal import problem_of, program_of
from servers.kit.interceptors.validation import check
from servers.kit.models.asking import Unfit
from servers.kit.models.structured import Form
from servers.reasoning.engines.model import NOT_THE_MODELS
from servers.vision.crosscheck import cross_check
from servers.vision.measuring import values_of
from servers.vision.opinion import form

PLAN = Form(pb.DecideNextActionResponse, leave_out=NOT_THE_MODELS)
NUMBERS = st.floats() | st.integers() | st.sampled_from([1e308, "NaN", "3", None])
TEXTS = st.text(max_size=20) | st.sampled_from(["12 %", "(3.5)", "1,204", "f1", "\x00", "\ud800"])
# Mostly of the right form, so that what comes after the form is reached too.
SOUND = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9)
PRINTED = st.sampled_from(["12 %", "(3.5)", "1,204", "f1"])
NAMES = st.text(st.characters(codec="utf-8"), max_size=8) | PRINTED
VALUES = st.fixed_dictionaries({}, optional={"number": SOUND, "printed": NAMES})
POINTS = st.fixed_dictionaries({"y": VALUES}, optional={"label": NAMES, "x": VALUES, "x_end": VALUES})
SERIES = st.fixed_dictionaries(
    {"points": st.lists(POINTS, min_size=1, max_size=4)}, optional={"name": NAMES, "unit": NAMES}
)
KINDS = [name for name in ChartType.keys() if not name.endswith("UNSPECIFIED")]  # noqa: SIM118 - an enum type
CHARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS), "series": st.lists(SERIES, min_size=1, max_size=3)}, optional={"title": NAMES}
)
PLACES = st.integers(0, 2)
CELLS = st.fixed_dictionaries(
    {"row": PLACES, "column": PLACES, "value": VALUES}, optional={"row_span": PLACES, "is_header": st.booleans()}
)
SIZES = {"row_count": st.integers(2, 4), "column_count": st.integers(2, 4)}
TABLES = st.fixed_dictionaries(
    SIZES | {"cells": st.lists(CELLS, min_size=1, max_size=3)}, optional={"header_row_count": PLACES, "title": NAMES}
)
FIGURES = CHARTS.map(lambda one: {"chart": one}) | TABLES.map(lambda one: {"table": one})
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["action", "thought", "a"]), inner),
    max_leaves=8,
)


@given(st.text(max_size=200) | JSON.map(json.dumps))
def test_any_text_is_a_plan_that_holds_or_unfit(text: str) -> None:
    with contextlib.suppress(Unfit):
        check(PLAN.read(text))


@given(st.lists(FIGURES, max_size=2))
def test_any_figures_are_judged_or_unfit(figures: list[object]) -> None:
    try:
        seen = form().read(json.dumps({"figures": figures}))
    except Unfit:
        return
    answer = AnalyzeImageResponse(width_px=10, height_px=10)
    cross_check(answer, seen.figures)
    check(answer)
    assert all(value.origin == ORIGIN_MODEL for figure in answer.figures for value in values_of(figure))
    assert all(value.confidence <= 0.5 for figure in answer.figures for value in values_of(figure))


@given(st.text(alphabet="`\npython def solve(:)='\"\\ \x00é", max_size=120))
def test_any_answer_is_a_program_or_says_why_not(text: str) -> None:
    assert problem_of(program_of(text))
