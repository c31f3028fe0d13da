"""Repairs: what is changed in a program after it was denied or failed.

Each repair leaves out more than the one before, so that no program comes twice:
  a denial               the denied lines that a program can spare go; else it is written anew
  a failure in drawing   plain bars in place of the chart, then a line of text
  any other failure      the same, since what is computed is written by rule and only less of it can be tried
"""

from __future__ import annotations

import ast

from loupe.codegen.v1 import codegen_pb2 as pb
from loupe.critic.v1.critic_pb2 import Verdict
from loupe.reasoning.v1.analysis_pb2 import Analysis
from servers.codegen.programs.assemble import Drawing, assemble
from servers.codegen.programs.library import Library


def repair(request: pb.RepairCodeRequest, library: Library) -> str:
    """Return the next program to try; it differs from the failed one wherever a simpler one is left."""
    if request.WhichOneof("failure") == "verdict":
        spared = without_findings(request.source, request.verdict)
        if spared != request.source:
            return spared
    for analysis, drawing in _simpler(request.analysis):
        candidate = assemble(list(request.figures), analysis, library, drawing)
        is_simpler = _weight(candidate) < _weight(request.source) or _is_foreign(request.source)
        if is_simpler and candidate != request.source:
            return candidate
    return assemble(list(request.figures), _last_operation(request.analysis), library, Drawing.TEXT)


def without_findings(source: str, verdict: Verdict) -> str:
    """Return the source without the imports and the free-standing calls that a blocking finding points at.

    A program that no longer parses, or never did, is returned as it was.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return source
    denied = {finding.line for finding in verdict.findings if finding.is_blocking and finding.line}
    spans = [
        (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(tree)
        if _can_be_spared(node) and isinstance(node, ast.stmt) and node.lineno in denied
    ]
    gone = {line for start, end in spans for line in range(start, end + 1)}
    lines = [line for number, line in enumerate(source.splitlines(), start=1) if number not in gone]
    spared = "\n".join(lines) + "\n"
    try:
        ast.parse(spared)
    except SyntaxError:
        return source
    return spared if gone else source


def _can_be_spared(node: ast.AST) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _simpler(analysis: Analysis) -> list[tuple[Analysis, Drawing]]:
    alone = _last_operation(analysis)
    return [(analysis, Drawing.FULL), (analysis, Drawing.PLAIN), (alone, Drawing.PLAIN), (alone, Drawing.TEXT)]


def _last_operation(analysis: Analysis) -> Analysis:
    return Analysis(question=analysis.question, operations=analysis.operations[-1:], assumptions=analysis.assumptions)


def _weight(source: str) -> int:
    """Return how much a program does; a simpler program is a shorter one."""
    return len(source)


def _is_foreign(source: str) -> bool:
    """Return whether a program was not written by these rules: a model's, or one with lines taken out."""
    return "def frame_of(" not in source
