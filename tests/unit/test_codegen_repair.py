"""Repairs: each is tied to what failed, and none comes twice."""

from __future__ import annotations

import pytest

from loupe.codegen.v1 import codegen_pb2 as pb
from loupe.critic.v1.critic_pb2 import Finding, Verdict
from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Analysis, Operand, Operation, Selection
from loupe.sandbox.v1 import sandbox_pb2
from servers.codegen.programs.assemble import assemble
from servers.codegen.programs.library import read_library
from servers.codegen.repair import repair
from tests.unit.reasoning_programs import chart

FIGURE = chart({"Sales": {"A": 1, "B": 2}})
LIBRARY = read_library()


@pytest.fixture
def analysis() -> Analysis:
    operand = Operand(selection=Selection(subject=plan.SUBJECT_VALUES))
    kinds = (plan.OPERATION_KIND_MEDIAN, plan.OPERATION_KIND_TOTAL)
    return Analysis(question="total?", operations=[Operation(kind=kind, operands=[operand]) for kind in kinds])


def request(
    analysis: Analysis, source: str, *, stderr: str = "", outcome: int = 2, error: str = ""
) -> pb.RepairCodeRequest:
    result = sandbox_pb2.RunResult(outcome=outcome, error=sandbox_pb2.PythonError(type=error))  # type: ignore[arg-type]  # a plain int is an enum's value
    failure = pb.RunFailure(result=result, stderr_tail=stderr)
    return pb.RepairCodeRequest(figures=[FIGURE], analysis=analysis, source=source, run=failure, repair_number=1)


def test_a_denied_import_goes_and_the_rest_stays(analysis):
    verdict = Verdict(findings=[Finding(rule="import-not-allowed", is_blocking=True, line=2)])
    source = "import json\nimport os\nprint(json.dumps(1))\n"
    denied = pb.RepairCodeRequest(figures=[FIGURE], analysis=analysis, source=source, verdict=verdict, repair_number=1)
    assert repair(denied, LIBRARY) == "import json\nprint(json.dumps(1))\n"


def test_a_denied_expression_makes_the_program_written_anew(analysis):
    verdict = Verdict(findings=[Finding(rule="call-not-allowed", is_blocking=True, line=1)])
    denied = pb.RepairCodeRequest(
        figures=[FIGURE], analysis=analysis, source="x = eval('1')\n", verdict=verdict, repair_number=1
    )
    assert repair(denied, LIBRARY) == assemble([FIGURE], analysis, LIBRARY)


def test_where_nothing_is_left_of_a_denied_program_it_is_written_anew(analysis):
    verdict = Verdict(findings=[Finding(rule="import-not-allowed", is_blocking=True, line=1)])
    denied = pb.RepairCodeRequest(
        figures=[FIGURE], analysis=analysis, source="import os\n", verdict=verdict, repair_number=1
    )
    assert repair(denied, LIBRARY) == assemble([FIGURE], analysis, LIBRARY)


def test_a_program_that_is_no_python_is_written_anew(analysis):
    assert repair(request(analysis, "def (:\n", error="SyntaxError"), LIBRARY) == assemble([FIGURE], analysis, LIBRARY)


def test_a_failure_in_drawing_makes_the_chart_plain_then_text(analysis):
    source = assemble([FIGURE], analysis, LIBRARY)
    stderr = 'File "analysis.py", line 90, in draw_bars\nValueError: no'
    second = repair(request(analysis, source, stderr=stderr, error="ValueError"), LIBRARY)
    assert 'draw_plain(values, "", "chart.png")' in second
    assert "def support_1" in second
    third = repair(request(analysis, second, stderr="line 9, in draw_plain\n", error="ValueError"), LIBRARY)
    assert "draw_text(" in third
    assert "return reply_numbers(items)" in third


def test_running_out_of_time_gives_up_the_chart_first(analysis):
    source = assemble([FIGURE], analysis, LIBRARY)
    again = repair(request(analysis, source, outcome=sandbox_pb2.OUTCOME_LIMIT_EXCEEDED), LIBRARY)
    assert "draw_text(" in again


def test_a_failure_in_computing_drops_the_support_then_says_that_it_failed(analysis):
    source = assemble([FIGURE], analysis, LIBRARY)
    second = repair(request(analysis, source, stderr="in median\n", error="TypeError"), LIBRARY)
    assert "support_1" not in second
    assert "total(items)" in second
    third = repair(request(analysis, second, stderr="in total\n", error="TypeError"), LIBRARY)
    assert 'raise Unanswerable("its computation failed (TypeError)")' in third


def test_no_repair_gives_a_program_that_was_tried(analysis):
    source = assemble([FIGURE], analysis, LIBRARY)
    tried = [source]
    for _ in range(3):
        tried.append(repair(request(analysis, tried[-1], stderr="in save\n", error="OSError"), LIBRARY))
    assert len(set(tried)) == 4
