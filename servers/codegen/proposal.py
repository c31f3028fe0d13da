"""A program in a model's answer, and whether it can be one for a bundle as far as looking at it tells."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict

from loupe.codegen.v1 import codegen_pb2 as pb
from loupe.reasoning.v1.analysis_pb2 import Analysis
from loupe.type.v1.figure_pb2 import Figure
from servers.codegen.programs.parts.reading import read_figure

_FENCED = re.compile(r"```[A-Za-z0-9]*[ \t]*\n(?P<code>.*?)(?:\n```|\Z)", re.DOTALL)
_FILES = ("chart.json", "data.csv", "chart.png", "answer.json")
_MOST_BYTES = 262144  # of the contract
_MOST_NAMES = 60
_MOST_FINDINGS = 10
_TAIL = 2000


def program_of(text: str) -> str:
    """Return the program in a model's answer: its longest fenced block, or all of it where nothing is fenced."""
    blocks = [found["code"] for found in _FENCED.finditer(text)]
    return (max(blocks, key=len) if blocks else text).strip("\n") + "\n"


def problem_of(source: str) -> str:
    """Return why a program can't be one for a bundle, in words that its writer can act upon; empty when it may be."""
    if len(source.encode()) > _MOST_BYTES:
        return f"the program has {len(source.encode())} bytes, at most {_MOST_BYTES}"
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        return f"the program does not parse: {error.args[0] if error.args else type(error).__name__}" + (
            f" (line {line})" if line else ""
        )
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    if "solve" not in functions:
        return "the program has no function solve"
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    missing = [name for name in _FILES if name not in texts]
    return f"the program never names {', '.join(missing)}" if missing else ""


def shown(figures: Sequence[Figure], analysis: Analysis) -> dict[str, Any]:
    """Return what a writer must know: the plan, and the names in the figures that it is about."""
    plan = MessageToDict(analysis, preserving_proto_field_name=True)
    return {"plan": plan, "figures": [_figure(figure) for figure in figures]}


def failure_in_words(request: pb.RepairCodeRequest) -> dict[str, Any]:
    """Return why the program was denied, failed or was of no use, as data."""
    if request.WhichOneof("failure") == "verdict":
        blocking = [finding for finding in request.verdict.findings if finding.is_blocking]
        denied = [{"line": one.line, "rule": one.rule, "message": one.message} for one in blocking[:_MOST_FINDINGS]]
        return {"denied": denied}
    if request.run.problem:
        return {"useless": request.run.problem, "stderr": request.run.stderr_tail[-_TAIL:]}
    error = request.run.result.error
    told = {"error": error.type, "message": error.message[:_TAIL], "line": error.line}
    return {"failed": told, "stderr": request.run.stderr_tail[-_TAIL:]}


def _figure(figure: Figure) -> dict[str, Any]:
    kind = figure.WhichOneof("content") or "chart"
    rows = read_figure(MessageToDict(figure, preserving_proto_field_name=True))
    series = list(dict.fromkeys(row["series"] for row in rows))
    categories = list(dict.fromkeys(row["category"] for row in rows))
    made: dict[str, Any] = {
        "figure_id": figure.figure_id,
        "kind": kind,
        "series": series[:_MOST_NAMES],
        "categories": categories[:_MOST_NAMES],
    }
    if len(categories) > _MOST_NAMES:
        made["more_categories"] = len(categories) - _MOST_NAMES
    return made
