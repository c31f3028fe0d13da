"""Whether a proposed action may be taken: it names only what the figures have and says no number that nobody gave."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence

from loupe.reasoning.v1 import reasoning_pb2 as pb
from loupe.reasoning.v1.analysis_pb2 import Analysis, Operand, Selection
from loupe.type.v1.figure_pb2 import Figure
from servers.reasoning.grid import Grid, grid_of

_NUMBER = re.compile(r"\d+(?:[.,\u00a0\u202f]\d+)*")
_MOST_CHOICES = 5


def problem_of(action: pb.Action, goal: pb.Goal, figures: Sequence[Figure]) -> str:
    """Return why a planner's action can't be taken, in words that it can act upon; empty when it can.

    Args:
      action: `write_code` or `ask_person`, within its own limits.
      figures: those that may be named, at least one.
    """
    grids = {figure.figure_id: grid_of(figure) for figure in figures}
    if action.HasField("ask_person"):
        return _problem_of_question(action.ask_person, goal, grids)
    return _problem_of_plan(action.write_code.analysis, goal, grids)


def _problem_of_question(ask: pb.AskPerson, goal: pb.Goal, grids: dict[str, Grid]) -> str:
    if not goal.may_ask:
        return "nobody is there to be asked: write a plan"
    ids = [choice.choice_id for choice in ask.choices]
    if strangers := [one for one in ids if one not in grids]:
        return f"{strangers[0]!r} is no figure_id; there are {', '.join(grids)}"
    return "a choice comes twice" if len(set(ids)) < len(ids) else ""


def _problem_of_plan(analysis: Analysis, goal: pb.Goal, grids: dict[str, Grid]) -> str:
    for selection in _selections(operand for operation in analysis.operations for operand in operation.operands):
        if problem := _problem_of_names(selection, grids):
            return problem
    known = set(_numbers([goal.question, *(text for grid in grids.values() for text in _words_of(grid))]))
    for said in (analysis.refusal, *analysis.assumptions):
        if strangers := [number for number in _numbers([said]) if number not in known]:
            return f"refusal and assumptions may hold no number of their own, and {said[:200]!r} holds {strangers[0]}"
    return ""


def _selections(operands: Iterable[Operand]) -> Iterator[Selection]:
    for operand in operands:
        if operand.HasField("selection"):
            yield operand.selection
            yield from _selections(one.operand for one in operand.selection.filters if one.HasField("operand"))


def _problem_of_names(selection: Selection, grids: dict[str, Grid]) -> str:
    figure_id = selection.figure_id or next(iter(grids))
    if figure_id not in grids:
        return f"there is no figure {figure_id!r}; there are {', '.join(grids)}"
    grid = grids[figure_id]
    series = [*grid.series, *grid.text_columns]
    named = (*selection.categories, *selection.excluded_categories)
    return _unknown("series", selection.series, series, figure_id) or _unknown(
        "category", named, grid.categories, figure_id
    )


def _unknown(noun: str, named: Iterable[str], known: Sequence[str], figure_id: str) -> str:
    for name in named:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=_MOST_CHOICES, cutoff=0.4) or known[:_MOST_CHOICES]
            return f"figure {figure_id} has no {noun} {name!r}; it has {', '.join(map(repr, near))}"
    return ""


def _words_of(grid: Grid) -> Iterator[str]:
    yield from grid.texts
    yield from grid.series
    yield from grid.categories


def _numbers(texts: Iterable[str]) -> list[str]:
    return [re.sub(r"[,\u00a0\u202f]", "", number) for text in texts for number in _NUMBER.findall(text)]
