"""What came out of a job, each number of it led back to what it shows: the answer's numbers, the data, the chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from loupe.orchestrator.v1.control_pb2 import ExplanationKind
from loupe.sandbox.v1.sandbox_pb2 import RunResult
from loupe.type.v1.answer_pb2 import Answer
from loupe.type.v1.figure_pb2 import Fidelity, Figure, Value
from loupe.type.v1.geometry_pb2 import Box
from servers.orchestrator.explain.cells import DataCell, Tie, cells_of, tied
from servers.orchestrator.explain.graph import Graph
from servers.orchestrator.explain.items import Item, Items, items_of
from servers.orchestrator.explain.lines import Lines
from servers.orchestrator.explain.marks import CHART, DrawnSeries, Mark, chart_of, marks_of
from servers.orchestrator.explain.tying import ANSWER, Tying
from servers.orchestrator.report import source_of
from servers.orchestrator.trace import values_of

_KINDS = ExplanationKind
_UNTOLD = "the run told nothing of what it shows: it was not drawn with matplotlib, or its numbers did not come"


class Outcomes:
    """The outcomes of one job, tied to what they show before anything is added to the graph."""

    def __init__(self, figures: Sequence[Figure], answer: Answer, data_csv: str | None, run: RunResult | None) -> None:
        """Take what was read and what came of it.

        Args:
          data_csv: None where no program ran.
        """
        self._figures = figures
        self._answer = answer
        self._values = {value.value_id: value for figure in figures for value in values_of(figure)}
        read = list(items_of(figures))
        self._companions = _companions(read)
        items = Items(item for _, item in read)
        self._cells, self.omitted_cells = cells_of(data_csv, items) if data_csv is not None else ([], 0)
        numbers = [
            Item(f"number:{place}", value.number, "", "", ANSWER, place)
            for place, value in enumerate(answer.values, start=1)
        ]
        self._cell_ties = _tie_cells(self._cells, items, Items(numbers))
        chart = chart_of(run.figures) if run is not None else None
        self.is_chart_told = chart is not None
        self._drawn, self.omitted_marks = marks_of(chart) if chart is not None else ([], 0)
        tying = Tying([*self._shown_items([item for _, item in read]), *numbers])
        self._mark_ties = [tying.of(one) for one in self._drawn]

    def add_values(self, graph: Graph, readers: Mapping[str, list[str]]) -> None:
        """Add the values behind what came out; those that stand behind nothing are counted.

        Args:
          readers: what each figure was read by and from, by the figure's id.
        """
        wanted = {value_id for number in self._answer.values for value_id in number.value_ids}
        wanted |= set(self._answer.quoted_value_ids)
        for tie in (*self._cell_ties, *(tie for ties in self._mark_ties for tie in ties)):
            wanted |= {tie.item.node_id, *self._companions.get(tie.item.node_id, ())} if tie else set()
        for figure in self._figures:
            for value in values_of(figure):
                if value.value_id in wanted:
                    _add_value(graph, figure, value, readers[figure.figure_id])
                elif value.HasField("number"):
                    graph.totals.unused_value_count += 1

    def add_numbers(self, graph: Graph, common: Sequence[str]) -> list[str]:
        """Add the numbers of the answer, which come from the values they name and from what they all come from."""
        return [
            graph.add(
                f"number:{place}",
                _KINDS.EXPLANATION_KIND_NUMBER,
                f"{value.name}: {value.text}",
                [*value.value_ids, *common],
                number=value.number,
            )
            for place, value in enumerate(self._answer.values, start=1)
        ]

    def add_cells(self, graph: Graph, common: Sequence[str]) -> None:
        """Add the numbers of data.csv."""
        for cell, tie in zip(self._cells, self._cell_ties, strict=True):
            shown = [tie.item.node_id, *self._companions.get(tie.item.node_id, ())] if tie else []
            names = " of ".join(f"“{name}”" for name in (cell.label, cell.header) if name)
            untied = (
                f"no value that was read and no number of the answer is {cell.text} under these names: it was computed"
            )
            graph.add(
                cell.node_id,
                _KINDS.EXPLANATION_KIND_CELL,
                f"data.csv, record {cell.record}, {names or f'column {cell.column}'}: {cell.text}",
                [*shown, *common],
                number=cell.number,
                ties=tie.ties if tie else (),
                unexplained="" if tie else untied,
            )
        graph.totals.cell_count = len(self._cells)
        graph.totals.tied_cell_count = sum(tie is not None for tie in self._cell_ties)
        graph.totals.omitted_cell_count = self.omitted_cells

    def add_marks(self, graph: Graph, lines: Lines, common: Sequence[str]) -> None:
        """Add the marks of chart.png, which come from what they show and the line that drew them."""
        count = 0
        for one, ties in zip(self._drawn, self._mark_ties, strict=True):
            line = lines.called(one.lines)
            for mark, tie in zip(one.marks, ties, strict=True):
                count += 1
                graph.add(
                    f"chart:{count}",
                    _KINDS.EXPLANATION_KIND_MARK,
                    _told(one, mark),
                    [*([tie.item.node_id] if tie else []), *([f"code:{line}"] if line else []), *common],
                    box=mark.box,
                    number=mark.readings[0].number,
                    ties=tie.ties if tie else (),
                    unexplained=_missing(one, mark, tie, line, lines.count),
                )
                graph.totals.tied_mark_count += tie is not None
        if not self.is_chart_told:
            count += 1
            graph.add(
                f"chart:{count}",
                _KINDS.EXPLANATION_KIND_MARK,
                f"{CHART} as a whole",
                common,
                unexplained=_UNTOLD,
            )
        graph.totals.mark_count = count
        graph.totals.omitted_mark_count = self.omitted_marks

    @property
    def has_cells(self) -> bool:
        """Return whether data.csv holds numbers."""
        return bool(self._cells)

    def drawing_lines(self) -> list[Sequence[int]]:
        """Return the nested calls that drew, as the run told them."""
        return [one.lines for one in self._drawn]

    def _shown_items(self, read: Sequence[Item]) -> list[Item]:
        """Return what marks may show: each value as the cell that holds it, where one does, and the other cells."""
        holding: dict[str, DataCell] = {}
        for cell, tie in zip(self._cells, self._cell_ties, strict=True):
            if tie and tie.item.group != ANSWER:
                holding.setdefault(tie.item.node_id, cell)
        shown = []
        for item in read:
            cell_of = holding.get(item.node_id)
            shown.append(replace(item, node_id=cell_of.node_id, reach=cell_of.reach) if cell_of else item)
        for cell, tie in zip(self._cells, self._cell_ties, strict=True):
            if not tie or tie.item.group == ANSWER:
                names = (_plain(cell.header), _plain(cell.label))
                shown.append(Item(cell.node_id, cell.number, *names, f"column {cell.column}", cell.record, cell.reach))
        return shown


def _tie_cells(cells: Sequence[DataCell], items: Items, numbers: Items) -> list[Tie | None]:
    ties: list[Tie | None] = []
    used: set[str] = set()
    for cell in cells:
        tie = tied(cell, items, used) or tied(cell, numbers, used)
        ties.append(tie)
        if tie:
            used.add(tie.item.node_id)
    return ties


def _companions(read: Sequence[tuple[Value, Item]]) -> dict[str, list[str]]:
    """Return the values that say where a value stands: the x of a y."""
    at: dict[tuple[str, int], list[str]] = {}
    for _, item in read:
        series, _, field = item.group.rpartition(".")
        if field in ("x", "x_end"):
            at.setdefault((series, item.place), []).append(item.node_id)
    found = {}
    for _, item in read:
        series, _, field = item.group.rpartition(".")
        if field == "y" and (series, item.place) in at:
            found[item.node_id] = at[series, item.place]
    return found


def _add_value(graph: Graph, figure: Figure, value: Value, sources: Sequence[str]) -> None:
    doubts = [reason for reason in figure.reasons if value.value_id in reason.value_ids]
    is_meant = bool(doubts) or any(not reason.value_ids for reason in figure.reasons)
    text = source_of(value) + "".join(f"; in doubt: {reason.message}" for reason in doubts)
    graph.add(
        value.value_id,
        _KINDS.EXPLANATION_KIND_VALUE,
        text,
        sources,
        box=value.box if value.HasField("box") else None,
        number=value.number if value.HasField("number") else None,
        origin=value.origin,
        confidence=value.confidence,
        fidelity=figure.fidelity if is_meant or not figure.reasons else Fidelity.FIDELITY_PASS,
    )


def _told(drawn: DrawnSeries, mark: Mark) -> str:
    number = mark.readings[0].number
    value = f"{100 * number:.6g} % of the circle" if drawn.is_share else f"{number:.10g}"
    of = f" of “{drawn.name}”" if drawn.name else ""
    at = f" at “{mark.label}”" if mark.label else ""
    return f"{drawn.word}{of}{at}: {value}{_place(mark.box)}"


def _place(box: Box | None) -> str:
    if box is None:
        return ""
    if box.x_min == box.x_max or box.y_min == box.y_max:
        return ", outside of what the chart shows"
    return f", at {box.x_min:.0f},{box.y_min:.0f} to {box.x_max:.0f},{box.y_max:.0f} of {CHART}"


def _missing(drawn: DrawnSeries, mark: Mark, tie: Tie | None, line: int | None, line_count: int) -> str:
    """Return what of a mark's cause is not known."""
    missing = []
    if tie is None:
        number = f"{mark.readings[0].number:.10g}"
        if drawn.is_share:
            missing.append("no series that was read has slices of these shares")
        else:
            missing.append(
                f"no cell, value that was read or number of the answer is {number} here: it was computed on the way"
            )
    if line is None:
        told = f"line {drawn.lines[-1]}, and the program has {line_count}" if drawn.lines else "no line"
        missing.append(f"the run told {told}: what drew it is not known")
    return "; ".join(missing)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
