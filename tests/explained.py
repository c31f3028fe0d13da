"""Jobs that have answered, for tests of their explanation: what was read, the program, and what its run told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from loupe.critic.v1.critic_pb2 import Verdict
from loupe.orchestrator.v1.control_pb2 import ExplainJobResponse, ExplanationKind, ExplanationNode
from loupe.reasoning.v1 import reasoning_pb2 as reasoning
from loupe.sandbox.v1.figure_data_pb2 import FigureData
from loupe.sandbox.v1.sandbox_pb2 import Outcome, RunResult
from loupe.type.v1.answer_pb2 import Answer, AnswerStatus, AnswerValue
from loupe.type.v1.engine_pb2 import Engine
from loupe.type.v1.figure_pb2 import Cell, Chart, ChartType, DataPoint, Fidelity, Figure, Origin, Series, Table, Value
from loupe.type.v1.file_ref_pb2 import FileRef
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse
from sandbox.bootstrap.figure_data import FigureReader
from sandbox.runners import report
from servers.orchestrator.explain.explanation import explain
from servers.orchestrator.explain.graph import Graph
from servers.orchestrator.job_view import JobView

ENGINE = Engine(name="builtin", revision="1")
PROGRAM = """\
import json

def draw(values):
    axes.bar(*values)

figures = json.load(open("chart.json"))
values = figures[0]
write(values, "data.csv")
draw(values)
json.dump(values, open("answer.json", "w"))
"""


def chart(series: dict[str, dict[str, float]], figure_id: str = "f1") -> Figure:
    """A chart of numbers by category, by series."""

    def value(number: int, place: int, read: float) -> Value:
        value_id = f"{figure_id}.s{number}.p{place}.y"
        return Value(value_id=value_id, number=read, origin=Origin.ORIGIN_INTERPOLATED, confidence=0.9)

    made = [
        Series(
            name=name,
            points=[
                DataPoint(label=label, y=value(number, place, y)) for place, (label, y) in enumerate(points.items())
            ],
        )
        for number, (name, points) in enumerate(series.items())
    ]
    drawn = Chart(type=ChartType.CHART_TYPE_GROUPED_BAR, series=made)
    return Figure(figure_id=figure_id, chart=drawn, fidelity=Fidelity.FIDELITY_PASS, confidence=0.9)


def table(rows: Sequence[Sequence[str]], figure_id: str = "f1") -> Figure:
    """A table, its first row and first column headers."""
    cells = []
    for row, texts in enumerate(rows):
        for column, text in enumerate(texts):
            value = Value(value_id=f"{figure_id}.r{row}.c{column}", printed=text, origin=Origin.ORIGIN_PRINTED)
            is_header = not row or not column
            if not is_header:
                value.number = float(text)
            cells.append(Cell(row=row, column=column, row_span=1, column_span=1, is_header=is_header, value=value))
    made = Table(row_count=len(rows), column_count=len(rows[0]), header_row_count=1, header_column_count=1, cells=cells)
    return Figure(figure_id=figure_id, table=made, fidelity=Fidelity.FIDELITY_PASS)


def drawn(figure: Any, lines: Sequence[int] = (9, 4)) -> FigureData:
    """What the sandbox tells of a matplotlib figure that these lines of the program drew into chart.png."""
    told = FigureReader(lambda artist: lines).read(figure) | {"files": ["chart.png"]}
    happened: dict[str, Any] = {"error": None, "figures": [], "notes": []}
    parsed = report.parse(
        "\n".join(json.dumps(line) for line in (happened, {"figures": [told], "value": None})).encode()
    )
    data = FigureData()
    data.CopyFrom(parsed.figures[0].data)
    data.artifact_names.append("chart.png")
    return data


def number(name: str, value: float, *value_ids: str) -> AnswerValue:
    return AnswerValue(name=name, number=value, text=f"{value:g}", value_ids=value_ids)


def explained(
    figures: Sequence[Figure],
    data_csv: str = "",
    chart_png: Sequence[FigureData] = (),
    numbers: Sequence[AnswerValue] = (),
    source: str = PROGRAM,
    before: Sequence[reasoning.Turn] = (),
) -> Graph:
    """The explanation of a job that read these figures and whose program left these files."""
    answer = Answer(status=AnswerStatus.ANSWER_STATUS_ANSWERED, text="So it is.", values=numbers)
    view = JobView("job_" + "0" * 26, 1, reasoning.Goal(question="What?"))
    read = AnalyzeImageResponse(figures=figures, engine=ENGINE)
    code = reasoning.CodeWritten(source=source, code_sha256="c" * 64, engine=ENGINE)
    result = RunResult(outcome=Outcome.OUTCOME_COMPLETED, runner="namespaces", figures=chart_png)
    view.turns = [
        _turn(reasoning.Action(read_figures=reasoning.ReadFigures(file=FileRef(sha256="a" * 64))), figures=read),
        _turn(reasoning.Action(write_code=reasoning.WriteCode()), code=code),
        *before,
        _turn(reasoning.Action(review_code=reasoning.ReviewCode()), verdict=Verdict(is_approved=True)),
        _turn(reasoning.Action(run_code=reasoning.RunCode()), run=reasoning.RunObserved(result=result)),
    ]
    view.reasoning_engine = ENGINE
    return explain(view, answer, [], data_csv)


def _turn(action: reasoning.Action, **seen: Any) -> reasoning.Turn:
    return reasoning.Turn(action=action, observation=reasoning.Observation(**seen))


def by_id(graph: Graph) -> dict[str, ExplanationNode]:
    return {node.node_id: node for node in graph.whole().nodes}


def loose_ends(whole: ExplainJobResponse) -> list[str]:
    """What of a graph is not as its contract says: ends that are missing, out of order, or hang in the air."""
    kinds = ExplanationKind
    roots = {kinds.EXPLANATION_KIND_PICTURE, kinds.EXPLANATION_KIND_ENGINE}
    outcomes = {kinds.EXPLANATION_KIND_ANSWER, kinds.EXPLANATION_KIND_CELL, kinds.EXPLANATION_KIND_MARK}
    found: list[str] = []
    seen: set[str] = set()
    leading = {source for node in whole.nodes for source in node.from_node_ids}
    tied = 0
    for node in whole.nodes:
        if node.node_id in seen:
            found.append(f"{node.node_id} is there twice")
        found += [f"{node.node_id} comes from {end}, not before it" for end in node.from_node_ids if end not in seen]
        if not node.from_node_ids and node.kind not in roots:
            found.append(f"{node.node_id} comes from nothing")
        if node.node_id not in leading and node.kind not in outcomes:
            found.append(f"{node.node_id} leads to nothing")
        if node.kind in (kinds.EXPLANATION_KIND_CELL, kinds.EXPLANATION_KIND_MARK):
            tied += bool(node.ties)
            if not node.ties and not node.unexplained:
                found.append(f"{node.node_id} shows nothing, and does not say why")
        seen.add(node.node_id)
    totals = whole.totals
    if totals.node_count != len(whole.nodes) or tied != totals.tied_mark_count + totals.tied_cell_count:
        found.append("the totals are not those of the nodes")
    return found
