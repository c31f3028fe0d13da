"""Why an answer is what it is: a graph from pixels over values and lines of code to its numbers."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from loupe.critic.v1.critic_pb2 import Severity
from loupe.orchestrator.v1.control_pb2 import ExplainJobResponse, ExplanationKind, ExplanationNode
from loupe.orchestrator.v1.orchestrator_pb2 import Step
from loupe.sandbox.v1.sandbox_pb2 import Outcome
from loupe.type.v1.answer_pb2 import Answer
from loupe.type.v1.engine_pb2 import Engine
from servers.orchestrator.job_view import JobView
from servers.orchestrator.report import source_of
from servers.orchestrator.trace import values_of

_KINDS = ExplanationKind


class Explanation:
    """The graph of one answer, built from what comes first to what comes last."""

    def __init__(self, view: JobView, answer: Answer, steps: list[Step]) -> None:
        self._view = view
        self._answer = answer
        self._sequences = _sequences(steps)
        self._nodes: list[ExplanationNode] = []

    def build(self) -> ExplainJobResponse:
        """Return the nodes, each after what it comes from."""
        reader = self._engine("vision", self._view.vision_engine)
        values = dict(self._values(reader))
        if self._view.run is not None and self._view.code is not None:
            run, last_line = self._code(list(values.values()))
            sources = [run]
            for value in self._answer.values:
                cited = [values[value_id] for value_id in value.value_ids if value_id in values]
                text = f"{value.name}: {value.text}"
                sources.append(
                    self._add(f"number:{value.name}", _KINDS.EXPLANATION_KIND_NUMBER, text, [*cited, *last_line])
                )
        else:
            sources = list(values.values())
        if all(node.startswith("picture:") for node in values):
            sources += reader  # no value leads from what read the picture to the answer
        planner = self._engine("reasoning", self._view.reasoning_engine)
        told = self._answer.text or self._answer.reason
        quoted = [values[value_id] for value_id in self._answer.quoted_value_ids if value_id in values]
        self._add("answer", _KINDS.EXPLANATION_KIND_ANSWER, told, [*sources, *quoted, *planner], "answer")
        return ExplainJobResponse(nodes=self._nodes)

    def _values(self, reader: list[str]) -> Iterator[tuple[str, str]]:
        """Add each picture and the values of it that the answer stands on; yield their ids and nodes."""
        wanted = {value_id for value in self._answer.values for value_id in value.value_ids}
        wanted |= set(self._answer.quoted_value_ids)
        for place, (file, figures) in enumerate(self._view.reads(), start=1):
            found = [value for figure in figures for value in values_of(figure) if value.value_id in wanted]
            if not found and self._answer.values:
                continue
            picture = f"picture:{place}"
            self._add(picture, _KINDS.EXPLANATION_KIND_PICTURE, f"picture {place}, SHA-256 {file.sha256}", [])
            for value in found:
                node = self._add(
                    value.value_id, _KINDS.EXPLANATION_KIND_VALUE, source_of(value), [picture, *reader], "figures"
                )
                yield value.value_id, node
            if not found:
                yield picture, picture

    def _code(self, values: list[str]) -> tuple[str, list[str]]:
        """Add the code's course, what was said of it and its run; return the run's node and that of the last line."""
        view = self._view
        assert view.code is not None and view.verdict is not None and view.run is not None
        code = view.code
        writer = self._engine("codegen", code.engine) if code.HasField("engine") else []
        findings = len(view.verdict.findings)
        worst = max((finding.severity for finding in view.verdict.findings), default=Severity.SEVERITY_UNSPECIFIED)
        told = f"approved under policy {view.verdict.policy_version}, {findings} findings"
        if worst:
            told += f", the worst {Severity.Name(worst).removeprefix('SEVERITY_').lower()}"
        judged = [self._add("verdict", _KINDS.EXPLANATION_KIND_VERDICT, told, writer, "verdict")]
        approval = view.approval_of(code.code_sha256)
        if approval is not None:
            by = approval.decided_by or "nobody in time; the critic had found nothing"
            judged.append(
                self._add("approval", _KINDS.EXPLANATION_KIND_APPROVAL, f"approved by {by}", judged, "approval")
            )
        sources = [*values, *writer]
        for number, text in course(code.source):
            # Each line goes on with what the one before it left.
            sources = [self._add(f"code:{number}", _KINDS.EXPLANATION_KIND_CODE_LINE, text, sources, "code")]
        result = view.run.result
        cpu_s = result.cpu_time.ToMilliseconds() / 1000
        ended = Outcome.Name(result.outcome).removeprefix("OUTCOME_").lower()
        told = f"{ended} in {result.runner}, {cpu_s:.2f} s of CPU, {result.peak_memory_kib / 1024:.0f} MiB"
        run = self._add("run", _KINDS.EXPLANATION_KIND_RUN, told, [*judged, *sources], "run")
        return run, sources

    def _engine(self, server: str, engine: Engine | None) -> list[str]:
        if engine is None:
            return []
        told = f"{server} by {engine.name}, revision {engine.revision}"
        if engine.model:
            told += f", model {engine.model}, prompt {engine.prompt}"
        if engine.degraded_reason:
            told += f"; it stood in: {engine.degraded_reason}"
        return [self._add(f"engine:{server}", _KINDS.EXPLANATION_KIND_ENGINE, told, [])]

    def _add(self, node_id: str, kind: ExplanationKind.ValueType, text: str, sources: list[str], body: str = "") -> str:
        self._nodes.append(
            ExplanationNode(
                node_id=node_id,
                kind=kind,
                text=text,
                from_node_ids=list(dict.fromkeys(sources)),
                sequence=self._sequences.get(body, 0),
            )
        )
        return node_id


def course(source: str) -> list[tuple[int, str]]:
    """Return the numbers and texts of the lines that compute the answer: what the program does, not how.

    These are the statements of its function `solve`, which is where programs have their analysis (see
    codegen_service.proto); of one without it, the statements that it goes through at its top level and in the functions
    called there.
    """
    tree = ast.parse(source)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    defined = ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom
    top = [node for node in tree.body if not isinstance(node, defined)]
    if "solve" in functions:
        statements = functions["solve"].body
    else:
        statements = top + [node for name in _called(top) if name in functions for node in functions[name].body]
    lines = source.splitlines()
    numbers = sorted({node.lineno for node in statements if not _is_docstring(node)})
    return [(number, lines[number - 1].strip()) for number in numbers]


def _called(nodes: list[ast.stmt]) -> list[str]:
    calls = [call for node in nodes for call in ast.walk(node) if isinstance(call, ast.Call)]
    calls.sort(key=lambda call: (call.lineno, call.col_offset))
    return list(dict.fromkeys(call.func.id for call in calls if isinstance(call.func, ast.Name)))


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _sequences(steps: list[Step]) -> dict[str, int]:
    """Return the number of the last step that holds each kind of thing."""
    numbers: dict[str, int] = {}
    for step in steps:
        body = step.observation.WhichOneof("kind") if step.HasField("observation") else step.WhichOneof("body")
        if body:
            numbers[str(body)] = step.sequence
    return numbers
