"""Whatever a model answers is a message that holds, or an answer that can't be used: never a defect."""

from __future__ import annotations

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st

from loupe.reasoning.v1 import reasoning_pb2 as pb
from loupe.type.v1.figure_pb2 import ORIGIN_MODEL
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
NUMBERS = st.floats() | st.integers() | st.sampled_from([1e308, 1e999, "NaN", "-Infinity", "3", None])
TEXTS = st.text(max_size=20) | st.sampled_from(["12 %", "(3.5)", "1,204", "f1", "\x00", "\ud800"])
VALUES = st.fixed_dictionaries({}, optional={"number": NUMBERS, "printed": TEXTS, "x": NUMBERS})
POINTS = st.fixed_dictionaries({}, optional={"label": TEXTS, "y": VALUES, "x": VALUES, "x_end": VALUES})
SERIES = st.fixed_dictionaries({"points": st.lists(POINTS, max_size=4)}, optional={"name": TEXTS, "unit": TEXTS})
CHARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["CHART_TYPE_BAR", "CHART_TYPE_PIE", "CHART_TYPE_STACKED_BAR", "CHART_TYPE_BOX", 3, 99])}
    | {"series": st.lists(SERIES, max_size=3)}
)
SMALL = st.integers(-1, 3) | st.sampled_from([2**32, 1.5, True])
CELLS = st.fixed_dictionaries({"row": SMALL, "column": SMALL, "value": VALUES}, optional={"row_span": SMALL})
SIZES = {"row_count": SMALL, "column_count": SMALL, "cells": st.lists(CELLS, max_size=4)}
TABLES = st.fixed_dictionaries(SIZES, optional={"header_row_count": SMALL, "title": TEXTS})
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
