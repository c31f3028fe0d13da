"""The bundle's report: the answer, the data, and where each number was read, for a person."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from loupe.type.v1.answer_pb2 import Answer, AnswerStatus
from loupe.type.v1.figure_pb2 import ChartType, Fidelity, Figure, Origin, Value
from servers.orchestrator.job_view import JobView
from servers.orchestrator.markdown import inline
from servers.orchestrator.trace import values_of

MAX_ROWS = 50
MAX_VALUES = 30


def report(view: JobView, answer: Answer, data_csv: str) -> str:
    """Return the report as Markdown; it holds no time and no id of the run."""
    return "\n".join(_lines(view, answer, data_csv)) + "\n"


def _lines(view: JobView, answer: Answer, data_csv: str) -> Iterator[str]:
    yield f"# {inline(view.goal.question) or 'What the picture shows'}\n"
    if answer.status == AnswerStatus.ANSWER_STATUS_UNANSWERABLE:
        yield f"**This can't be answered from the picture:** {inline(answer.reason)}\n"
    else:
        yield f"**{inline(answer.text)}**\n"
    yield "![the chart, drawn again from the data](chart.png)\n"
    yield "## The data\n"
    yield from _table(list(csv.reader(io.StringIO(data_csv))))
    if answer.values:
        yield "\n## Where the numbers come from\n"
        yield "Each number of the answer, and the values it was computed from with the pixels they were read at.\n"
        yield from _evidence(answer, view.figures)
        yield "\n![the evidence on the picture](overlay.png)"
    yield "\n## How far to trust it\n"
    for figure in view.figures:
        yield from _fidelity(figure)
    yield from _stood_in(view)
    yield "\n## Compute it again\n"
    yield "`python analysis.py` in this folder reads `chart.json` and writes `data.csv`, `chart.png` and `answer.json`."
    yield "`manifest.json` has the hash of every file and what made it."


def _stood_in(view: JobView) -> Iterator[str]:
    """Yield what was not done by the model that the installation is configured for; the reason may name times."""
    code = view.code.engine if view.code else None
    parts = (("read", view.vision_engine), ("planned", view.reasoning_engine), ("written", code))
    for done, engine in parts:
        if engine and engine.degraded_reason:
            yield f"- {done} by the {engine.name} engine: the configured model could not answer (see `manifest.json`)"


def _table(rows: list[list[str]]) -> Iterator[str]:
    if not rows:
        return
    head, *body = rows
    yield _row(head)
    yield _rule(len(head))
    for row in body[:MAX_ROWS]:
        yield _row(row)
    if len(body) > MAX_ROWS:
        yield f"\n{len(body) - MAX_ROWS} more rows are in `data.csv`."


def _evidence(answer: Answer, figures: Iterable[Figure]) -> Iterator[str]:
    by_id = {value.value_id: value for figure in figures for value in values_of(figure)}
    yield _row(["number", "is", "computed from"])
    yield _rule(3)
    for value in answer.values:
        sources = [source_of(by_id[value_id]) for value_id in value.value_ids[:MAX_VALUES] if value_id in by_id]
        more = len(value.value_ids) - len(sources)
        yield _row([value.name, value.text, "; ".join(sources) + (f"; and {more} more" if more > 0 else "")])


def source_of(value: Value) -> str:
    """Return how and where a value was read, for a person."""
    box = value.box
    how = {
        Origin.ORIGIN_PRINTED: f"printed “{value.printed}”",
        Origin.ORIGIN_INTERPOLATED: f"measured {value.number:g}",
        Origin.ORIGIN_MODEL: f"a model's word for {value.number:g}",
        Origin.ORIGIN_CORRECTED: f"given by a person: {value.printed or f'{value.number:g}'}",
    }.get(value.origin, f"guessed {value.number:g}")
    where = f" at {box.x_min:.0f},{box.y_min:.0f} to {box.x_max:.0f},{box.y_max:.0f}" if value.HasField("box") else ""
    return f"{value.value_id}: {how}{where} ({value.confidence:.0%})"


def _fidelity(figure: Figure) -> Iterator[str]:
    kind = "table" if figure.HasField("table") else _chart_name(figure)
    verdict = Fidelity.Name(figure.fidelity).removeprefix("FIDELITY_")
    yield f"- {figure.figure_id}, a {kind}: **{verdict}**"
    yield from (f"  - {inline(reason.message)}" for reason in figure.reasons)


def _chart_name(figure: Figure) -> str:
    return ChartType.Name(figure.chart.type).removeprefix("CHART_TYPE_").replace("_", " ").lower() + " chart"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(inline(cell) for cell in cells) + " |"


def _rule(columns: int) -> str:
    return "|" + " --- |" * columns
