"""Figures as a model is shown them: their names and the range of their numbers, bounded, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from loupe.type.v1.figure_pb2 import FIDELITY_REVIEW, ChartType, Figure
from servers.reasoning.grid import Grid, grid_of

# A table of 2000 rows would fill the context of a small model; who asks for a name that is not shown is re-asked.
_MOST_NAMES = 120
_MOST_SERIES = 40
_MOST_TEXTS = 20
_LONGEST = 160


def shown(figures: Sequence[Figure], surroundings: Iterable[str]) -> dict[str, Any]:
    """Return what a planner must know of figures and of the text around them, without their single numbers."""
    texts = [text[:_LONGEST] for text in surroundings if text.strip()]
    return {"figures": [_figure(figure) for figure in figures], "text_around": texts[:_MOST_TEXTS]}


def _figure(figure: Figure) -> dict[str, Any]:
    grid = grid_of(figure)
    kind = "TABLE" if grid.is_table else ChartType.Name(grid.kind).removeprefix("CHART_TYPE_")
    made: dict[str, Any] = {
        "figure_id": grid.figure_id,
        "kind": kind.lower().replace("_", " "),
        "title": grid.title[:_LONGEST],
        "series": [_series(name, grid) for name in grid.series[:_MOST_SERIES]],
        "categories": grid.categories[:_MOST_NAMES],
    }
    if len(grid.categories) > _MOST_NAMES:
        made["more_categories"] = len(grid.categories) - _MOST_NAMES
    if grid.category_title:
        made["categories_are"] = grid.category_title[:_LONGEST]
    if grid.text_columns:
        made["columns_of_text"] = {name: _texts(name, grid) for name in grid.text_columns[:_MOST_SERIES]}
    if figure.fidelity == FIDELITY_REVIEW:
        made["read_with_doubts"] = True
    return made


def _series(name: str, grid: Grid) -> dict[str, Any]:
    numbers = [number for (series, _), number in grid.numbers.items() if series == name]
    made: dict[str, Any] = {"name": name, "count": len(numbers)}
    if numbers:
        made |= {"least": min(numbers), "greatest": max(numbers)}
    return made | ({"unit": ", ".join(sorted(grid.units))[:_LONGEST]} if grid.units else {})


def _texts(name: str, grid: Grid) -> list[str]:
    found = [text[:_LONGEST] for (column, _), text in grid.texts_at.items() if column == name]
    return list(dict.fromkeys(found))[:_MOST_TEXTS]
