"""Why an answer is what it is: a graph from pixels over values, cells and lines of code to its numbers and marks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from loupe.critic.v1.critic_pb2 import Severity
from loupe.orchestrator.v1.control_pb2 import ExplanationKind
from loupe.orchestrator.v1.orchestrator_pb2 import Step
from loupe.reasoning.v1.reasoning_pb2 import CodeWritten, Decision
from loupe.sandbox.v1.sandbox_pb2 import Outcome
from loupe.type.v1.answer_pb2 import Answer
from loupe.type.v1.engine_pb2 import Engine
from loupe.type.v1.figure_pb2 import ChartType, Fidelity, Figure
from servers.kit import spending
from servers.orchestrator import costs
from servers.orchestrator.explain.graph import Graph
from servers.orchestrator.explain.lines import Lines
from servers.orchestrator.explain.outcomes import Outcomes
from servers.orchestrator.job_view import JobView

_KINDS = ExplanationKind
_ASKED_FOR = {
    "vision": ("read_figures", "correct_figure"),
    "codegen": ("write_code", "repair_code"),
}


def explain(view: JobView, answer: Answer, steps: Sequence[Step], data_csv: str | None) -> Graph:
    """Return the graph of a job with an answer.

    Args:
      steps: all of its log.
      data_csv: what its program left, None where none ran.
    """
    return _Explanation(view, answer, steps).build(data_csv)


class _Explanation:
    def __init__(self, view: JobView, answer: Answer, steps: Sequence[Step]) -> None:
        self._view = view
        self._answer = answer
        self._sequences = _sequences(steps)
        self._spent = _spent(steps)
        self._costs = costs.by_server(steps)
        self._graph = Graph()
        if (cost := costs.of_job(steps)) is not None:
            self._graph.totals.cost.CopyFrom(cost)

    def build(self, data_csv: str | None) -> Graph:
        graph, view = self._graph, self._view
        has_run = view.run is not None and view.code is not None
        result = view.run.result if has_run and view.run is not None else None
        outcomes = Outcomes(view.figures, self._answer, data_csv if has_run else None, result)
        readers = self._reading()
        planner = self._engine("reasoning", view.reasoning_engine)
        figures = list(readers)
        if has_run:
            lines, run = self._program([*figures, *planner], outcomes)
            outcomes.add_values(graph, readers)
            course = _nodes(lines.course()[-1:])
            numbers = outcomes.add_numbers(graph, [*course, run])
            outcomes.add_cells(graph, [*_nodes(lines.writing("data.csv")), run])
            outcomes.add_marks(graph, lines, [run])
            sources = [*numbers, *course, *_nodes(lines.writing("answer.json")), run]
        else:
            outcomes.add_values(graph, readers)
            sources = [*outcomes.add_numbers(graph, []), *figures]
        bare = [node for node in self._pictures if node not in self._with_figures]
        told = self._answer.text or self._answer.reason
        sources = [*sources, *self._answer.quoted_value_ids, *planner, *bare, *(() if figures else self._vision)]
        graph.add("answer", _KINDS.EXPLANATION_KIND_ANSWER, told, sources, sequence=self._sequences.get("answer", 0))
        return graph

    def _reading(self) -> dict[str, list[str]]:
        """Add pictures, what read them and the figures found; return what each figure's values come from."""
        view = self._view
        self._vision = self._engine("vision", view.vision_engine)
        self._pictures: list[str] = []
        self._with_figures: set[str] = set()
        found: dict[str, list[str]] = {}
        for place, (file, figures) in enumerate(view.reads(), start=1):
            picture = f"picture:{place}"
            told = f"picture {place}, SHA-256 {file.sha256}"
            self._pictures.append(self._graph.add(picture, _KINDS.EXPLANATION_KIND_PICTURE, told, []))
            for figure in figures:
                sequence = self._sequences.get("figures", 0)
                self._graph.add(
                    figure.figure_id,
                    _KINDS.EXPLANATION_KIND_FIGURE,
                    _shown(figure),
                    [picture, *self._vision],
                    fidelity=figure.fidelity,
                    sequence=sequence,
                )
                found[figure.figure_id] = [figure.figure_id, picture]
                self._with_figures.add(picture)
        return found

    def _program(self, sources: Sequence[str], outcomes: Outcomes) -> tuple[Lines, str]:
        """Add the code, what was said of it, the lines that matter and the run; return the lines and the run's node."""
        graph, view = self._graph, self._view
        assert view.code is not None and view.verdict is not None and view.run is not None
        code = view.code
        writer = self._engine("codegen", code.engine if code.HasField("engine") else None)
        lines = Lines(code.source)
        told = f"analysis.py, SHA-256 {code.code_sha256}, {lines.count} lines, {self._written_by(code)}"
        program = graph.add(
            "program",
            _KINDS.EXPLANATION_KIND_PROGRAM,
            told,
            [*writer, *sources],
            sequence=self._sequences.get("code", 0),
        )
        judged = self._judged(program)
        wanted = {*lines.course()[-1:], *lines.writing("answer.json")}
        wanted |= {line for one in outcomes.drawing_lines() if (line := lines.called(one)) is not None}
        wanted |= set(lines.writing("data.csv")) if outcomes.has_cells else set()
        reading = lines.naming("chart.json")
        figures = [node for node in sources if not node.startswith("engine:")]
        for number, text, above in lines.ordered(wanted):
            from_ids = [*_nodes(above), *(figures if number in reading else []), *([] if above else [program])]
            graph.add(
                f"code:{number}",
                _KINDS.EXPLANATION_KIND_CODE_LINE,
                text,
                from_ids,
                sequence=self._sequences.get("code", 0),
            )
        result = view.run.result
        ended = Outcome.Name(result.outcome).removeprefix("OUTCOME_").lower()
        cpu_s, wall_s = result.cpu_time.ToMilliseconds() / 1000, result.wall_time.ToMilliseconds() / 1000
        memory_mib = result.peak_memory_kib / 1024
        told = f"{ended} in {result.runner}, {cpu_s:.2f} s of CPU in {wall_s:.2f} s, {memory_mib:.0f} MiB"
        run = graph.add(
            "run", _KINDS.EXPLANATION_KIND_RUN, told, [program, *judged], sequence=self._sequences.get("run", 0)
        )
        return lines, run

    def _judged(self, program: str) -> list[str]:
        """Add the critic's verdict and a person's approval; return their nodes."""
        view = self._view
        assert view.code is not None and view.verdict is not None
        findings = len(view.verdict.findings)
        worst = max((finding.severity for finding in view.verdict.findings), default=Severity.SEVERITY_UNSPECIFIED)
        told = f"approved under {view.verdict.policy_version}, {findings} findings"
        if worst:
            told += f", the worst {Severity.Name(worst).removeprefix('SEVERITY_').lower()}"
        cost = self._costs.get("critic")
        if cost is not None and cost.ask_count:
            told += f"; {spending.in_words(cost)}"
        judged = [
            self._graph.add(
                "verdict",
                _KINDS.EXPLANATION_KIND_VERDICT,
                told,
                [program],
                sequence=self._sequences.get("verdict", 0),
                cost=cost,
            )
        ]
        approval = view.approval_of(view.code.code_sha256)
        if approval is not None:
            by = approval.decided_by or "nobody in time; the critic had found nothing"
            judged.append(
                self._graph.add(
                    "approval",
                    _KINDS.EXPLANATION_KIND_APPROVAL,
                    f"approved by {by}",
                    judged,
                    sequence=self._sequences.get("approval", 0),
                )
            )
        return judged

    def _written_by(self, code: CodeWritten) -> str:
        repairs = f", repairs: {self._view.repair_count}" if self._view.repair_count else ""
        if code.HasField("engine"):
            return f"written by codegen{repairs}"
        for turn in reversed(self._view.turns):
            if turn.observation.approval.decision == Decision.DECISION_EDITED:
                return f"edited by {turn.observation.approval.decided_by}{repairs}"
        return "put in by a person for this job"

    def _engine(self, server: str, engine: Engine | None) -> list[str]:
        if engine is None:
            return []
        told = f"{server} by {engine.name}, revision {engine.revision}"
        if engine.model:
            told += f", model {engine.model}, prompt {engine.prompt}"
        if engine.degraded_reason:
            told += f"; it stood in: {engine.degraded_reason}"
        count, seconds = self._spent.get(server, (0, 0.0))
        if count:
            told += f"; asked {'once' if count == 1 else f'{count} times'}, {seconds:.2f} s in all"
        cost = self._costs.get(server)
        if cost is not None:
            told += f"; {spending.in_words(cost)}"
        elif server in self._costs:
            told += "; what its models cost is not on record"
        else:
            told += "; asked in the job that this one comes from"
        return [self._graph.add(f"engine:{server}", _KINDS.EXPLANATION_KIND_ENGINE, told, [], cost=cost)]


def _nodes(lines: Sequence[int]) -> list[str]:
    return [f"code:{number}" for number in lines]


def _shown(figure: Figure) -> str:
    """Return what a figure is and what its checks say."""
    if figure.HasField("table"):
        told = f"a table of {figure.table.row_count} rows and {figure.table.column_count} columns"
        title = figure.table.title
    else:
        kind = ChartType.Name(figure.chart.type).removeprefix("CHART_TYPE_").replace("_", " ").lower()
        points = sum(len(series.points) for series in figure.chart.series)
        told = f"a {kind} chart of {len(figure.chart.series)} series and {points} points"
        title = figure.chart.title
    named = f" “{title}”" if title else ""
    checked = Fidelity.Name(figure.fidelity).removeprefix("FIDELITY_")
    reasons = "; ".join(reason.message for reason in figure.reasons[:5])
    return f"{told}{named}: {checked}{f' ({reasons})' if reasons else ''}"


def _sequences(steps: Sequence[Step]) -> Mapping[str, int]:
    """Return the number of the last step that holds each kind of thing."""
    numbers: dict[str, int] = {}
    for step in steps:
        body = step.observation.WhichOneof("kind") if step.HasField("observation") else step.WhichOneof("body")
        if body:
            numbers[str(body)] = step.sequence
    return numbers


def _spent(steps: Sequence[Step]) -> Mapping[str, tuple[int, float]]:
    """Return how often each server was asked in this job, and for how long; what was taken over cost nothing here."""
    counts: Counter[str] = Counter()
    seconds: dict[str, float] = {}
    for server, start, end in _calls(steps):
        counts[server] += 1
        took_s = (end.create_time.ToNanoseconds() - start.create_time.ToNanoseconds()) / 1e9
        seconds[server] = seconds.get(server, 0.0) + max(0.0, took_s)
    return {server: (counts[server], seconds[server]) for server in counts}


def _calls(steps: Sequence[Step]) -> Iterator[tuple[str, Step, Step]]:
    """Yield each call of a model's server with the step before it and that of what came of it."""
    servers = {kind: server for server, kinds in _ASKED_FOR.items() for kind in kinds}
    pending: Step | None = None
    for step in steps:
        if step.HasField("action"):
            pending = step
        elif step.HasField("observation") and pending is not None:
            server = servers.get(str(pending.action.WhichOneof("kind")))
            if server and step.attempt:
                yield server, pending, step
            pending = None
