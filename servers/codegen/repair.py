"""Repairs: what is changed in a program after it was denied or failed.

What failed decides what goes, and each repair leaves out more than the one before, so that no program comes twice:

    denied              the denied imports and calls that stand alone; else all is written anew
    failed in drawing   the chart becomes plain bars, then a line of text
    ran out of limits   the chart becomes a line of text
    failed elsewhere    what a model wrote is written anew by rule; then the supporting operations go; then the program
                        says that the computation failed, and still writes the data
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from loupe.codegen.v1 import codegen_pb2 as pb
from loupe.critic.v1.critic_pb2 import Verdict
from loupe.reasoning.v1.analysis_pb2 import Analysis
from loupe.sandbox.v1.sandbox_pb2 import OUTCOME_LIMIT_EXCEEDED
from servers.codegen.programs.assemble import Drawing, assemble
from servers.codegen.programs.library import Library

_DRAWING = re.compile(r"in (draw_\w+|canvas|marked|label_places|save|shortened|plain)\b")


def repair(request: pb.RepairCodeRequest, library: Library) -> str:
    """Return the next program to try."""
    if request.WhichOneof("failure") == "verdict":
        spared = without_findings(request.source, request.verdict)
        if spared != request.source and spared.strip():
            return spared
    for candidate in _candidates(request, library):
        if candidate != request.source and (_is_ours(candidate, request.source) or not _is_by_rule(request.source)):
            return candidate
    return _given_up(request, library, Drawing.TEXT)


def _is_ours(candidate: str, source: str) -> bool:
    """Return whether a candidate does less than the failed program; both are by rule, so less is shorter."""
    return len(candidate) < len(source)


def _is_by_rule(source: str) -> bool:
    return "def content_of(" in source and "def solve(" in source


def _candidates(request: pb.RepairCodeRequest, library: Library) -> Iterator[str]:
    """Yield programs that might do, the one that leaves out least first."""
    figures, analysis = request.figures, request.analysis
    if not _is_by_rule(request.source):
        yield assemble(figures, analysis, library)
    if _fails_in_drawing(request):
        yield assemble(figures, analysis, library, Drawing.PLAIN)
    if _fails_in_drawing(request) or request.run.result.outcome == OUTCOME_LIMIT_EXCEEDED:
        yield assemble(figures, analysis, library, Drawing.TEXT)
    yield assemble(figures, _alone(analysis), library)
    yield _given_up(request, library, Drawing.FULL)


def _fails_in_drawing(request: pb.RepairCodeRequest) -> bool:
    return _DRAWING.search(request.run.stderr_tail) is not None


def _given_up(request: pb.RepairCodeRequest, library: Library, drawing: Drawing) -> str:
    error = request.run.result.error.type or request.run.problem or "the review denied it"
    return assemble(request.figures, _alone(request.analysis), library, drawing, f"its computation failed ({error})")


def _alone(analysis: Analysis) -> Analysis:
    """Return the analysis without its supporting operations."""
    return Analysis(question=analysis.question, operations=analysis.operations[-1:], assumptions=analysis.assumptions)


def without_findings(source: str, verdict: Verdict) -> str:
    """Return the source without the imports and the free-standing calls that a blocking finding points at.

    A program that does not parse, or would not any more, is returned as it was.
    """
    denied = {finding.line for finding in verdict.findings if finding.is_blocking and finding.line}
    try:
        spans = [
            (node.lineno, node.end_lineno or node.lineno)
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.stmt) and _can_be_spared(node) and node.lineno in denied
        ]
        gone = {line for start, end in spans for line in range(start, end + 1)}
        lines = [line for number, line in enumerate(source.split("\n"), start=1) if number not in gone]
        spared = "\n".join(lines)
        ast.parse(spared)
    except (SyntaxError, ValueError):
        return source
    return spared


def _can_be_spared(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
