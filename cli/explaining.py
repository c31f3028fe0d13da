"""`loupe jobs explain`: what came out of a job, what each part of it shows, and the way back to the pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import click

from cli import wording
from cli.config import Settings
from cli.connection import Connection, again
from cli.errors import ExitCode
from cli.jobs import check_id, connected
from loupe.orchestrator.v1.control_pb2 import (
    ExplainJobRequest,
    ExplainJobResponse,
    ExplanationKind,
    ExplanationNode,
    ExplanationTie,
    ExplanationTotals,
)
from servers.kit import spending, wire_json

_MOST_SHOWN = 40  # of cells, and of marks
_PARTS = {
    "Made by": (
        ExplanationKind.EXPLANATION_KIND_PICTURE,
        ExplanationKind.EXPLANATION_KIND_FIGURE,
        ExplanationKind.EXPLANATION_KIND_ENGINE,
        ExplanationKind.EXPLANATION_KIND_PROGRAM,
        ExplanationKind.EXPLANATION_KIND_VERDICT,
        ExplanationKind.EXPLANATION_KIND_APPROVAL,
        ExplanationKind.EXPLANATION_KIND_RUN,
    ),
    "The answer": (ExplanationKind.EXPLANATION_KIND_ANSWER, ExplanationKind.EXPLANATION_KIND_NUMBER),
    "The data": (ExplanationKind.EXPLANATION_KIND_CELL,),
    "The chart": (ExplanationKind.EXPLANATION_KIND_MARK,),
}
_OF_ALL = frozenset({"run", "program", "verdict", "approval"})
"""What every outcome comes from; said once."""
_LED_BACK = (
    ExplanationKind.EXPLANATION_KIND_NUMBER,
    ExplanationKind.EXPLANATION_KIND_CELL,
    ExplanationKind.EXPLANATION_KIND_MARK,
)


def explain(settings: Settings, job_id: str, of: Sequence[str], *, is_whole: bool, as_json: bool) -> ExitCode:
    """Print why a job's answer, data and chart are what they are.

    Args:
      of: nodes of which to print the way back to the pixels; empty for what came out.
      is_whole: with every cell and mark, however many.
    """
    check_id(job_id)

    async def run(connection: Connection) -> ExitCode:
        found = await _all_pages(connection, ExplainJobRequest(job_id=job_id, of_node_ids=of))
        if as_json:
            click.echo(wire_json.to_line(found))
            return ExitCode.ANSWERED
        lines = _trails(found.nodes, of) if of else _overview(found, is_whole=is_whole)
        for depth, line in lines:
            click.echo(f"{'  ' * depth}{wording.plain(line)}")
        return ExitCode.ANSWERED

    return connected(settings, run)


async def _all_pages(connection: Connection, request: ExplainJobRequest) -> ExplainJobResponse:
    found = ExplainJobResponse()
    while True:
        page = await again(lambda: connection.jobs.ExplainJob(request, metadata=connection.metadata))
        found.nodes.extend(page.nodes)
        found.totals.CopyFrom(page.totals)
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def _overview(found: ExplainJobResponse, *, is_whole: bool) -> Iterator[tuple[int, str]]:
    """Yield lines with how far each is indented."""
    by_id = {node.node_id: node for node in found.nodes}
    for title, kinds in _PARTS.items():
        nodes = [node for node in found.nodes if node.kind in kinds]
        if not nodes:
            continue
        yield 0, f"{title}:"
        shown = nodes if is_whole or title in ("Made by", "The answer") else nodes[:_MOST_SHOWN]
        for node in shown:
            yield 1, f"{node.node_id}: {node.text}"
            yield from ((2, line) for line in _because(node, by_id))
        if len(nodes) > len(shown):
            yield 1, f"… and {len(nodes) - len(shown)} more: --all"
    yield from ((0, line) for line in _counted(found.totals))
    yield 0, f"The way of one back to the pixels: --of {_example(found.nodes)}"


def _because(node: ExplanationNode, by_id: dict[str, ExplanationNode]) -> Iterator[str]:
    """Yield what a number, cell or mark comes from, in short."""
    if node.kind not in _LED_BACK:
        return
    sources = [source for source in node.from_node_ids if source not in _OF_ALL]
    more = f" and {len(sources) - 8} more" if len(sources) > 8 else ""
    ties = _ties(node.ties)
    yield f"from {', '.join(sources[:8])}{more}{f' ({ties})' if ties else ''}"
    values = [by_id[source] for source in sources if by_id[source].kind == ExplanationKind.EXPLANATION_KIND_VALUE]
    if node.kind != ExplanationKind.EXPLANATION_KIND_NUMBER:
        yield from (value.text for value in values)
    if node.unexplained:
        yield f"! {node.unexplained}"


def _ties(ties: Iterable[ExplanationTie.ValueType]) -> str:
    words = [ExplanationTie.Name(tie).removeprefix("EXPLANATION_TIE_").lower() for tie in ties]
    return f"by {', '.join(words)}" if words else ""


def _counted(totals: ExplanationTotals) -> Iterator[str]:
    yield (
        f"{totals.tied_mark_count} of {wording.counted(totals.mark_count, 'mark')} and {totals.tied_cell_count} of"
        f" {wording.counted(totals.cell_count, 'cell')} show a number that is known."
    )
    if totals.unexplained_count:
        yield f"{totals.unexplained_count} are not wholly explained: the lines with !"
    if totals.omitted_mark_count or totals.omitted_cell_count:
        yield (
            f"Over the bound, and not shown: {wording.counted(totals.omitted_mark_count, 'mark')},"
            f" {wording.counted(totals.omitted_cell_count, 'cell')}."
        )
    if totals.unused_value_count:
        yield f"Read, and in nothing that came out: {wording.counted(totals.unused_value_count, 'value')}."
    yield f"What it cost: {spending.in_words(totals.cost) if totals.HasField('cost') else 'not on record'}."


def _example(nodes: Iterable[ExplanationNode]) -> str:
    found: dict[int, str] = {}
    for node in nodes:
        found.setdefault(node.kind, node.node_id)
    kinds = (ExplanationKind.EXPLANATION_KIND_MARK, ExplanationKind.EXPLANATION_KIND_NUMBER)
    return next((found[kind] for kind in kinds if kind in found), "answer")


def _trails(nodes: Iterable[ExplanationNode], of: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield nodes as trees: below each what it comes from, once."""
    by_id = {node.node_id: node for node in nodes}
    seen: set[str] = set()
    for wanted in of:
        waiting = [(wanted, 0)]
        while waiting:
            node_id, depth = waiting.pop()
            node = by_id[node_id]
            if node_id in seen:
                yield depth, f"{node_id}, as above"
                continue
            seen.add(node_id)
            ties = _ties(node.ties)
            told = node.text.removeprefix(f"{node_id}: ")
            yield depth, f"{node_id}: {told}{f' ({ties})' if ties else ''}"
            if node.unexplained:
                yield depth, f"! {node.unexplained}"
            waiting += [(source, depth + 1) for source in reversed(node.from_node_ids)]
