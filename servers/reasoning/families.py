"""The families of questions, in the order in which they are tried.

A new family is a module of rules under `servers.reasoning.rules` and a line here. A rule returns the operation of a
question it understands, else None; the first that understands decides, so a narrower one stands before a wider one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from loupe.reasoning.v1.analysis_pb2 import Operation
from loupe.type.v1.figure_pb2 import CHART_TYPE_BOX, CHART_TYPE_HISTOGRAM
from servers.reasoning.grid import Grid
from servers.reasoning.question import Question
from servers.reasoning.rules import (
    boxes,
    cells,
    change,
    counting,
    courses,
    distributions,
    pairs,
    ranking,
    reading,
    relations,
    standing,
    yes_no,
)

Rule = Callable[[Question], Operation | None]


@dataclass(frozen=True)
class Family:
    """Rules for one kind of figure or of question."""

    name: str
    rules: tuple[Rule, ...]
    suits: Callable[[Grid], bool] = lambda _: True
    """Whether a figure can be asked such questions."""


FAMILIES = (
    Family("words and colours", (cells.find_color, cells.find_of_color, cells.find_quote)),
    Family(
        "boxes",
        (boxes.find_outliers_of_boxes, boxes.find_spread, boxes.find_of_box),
        suits=lambda grid: grid.kind == CHART_TYPE_BOX,
    ),
    Family(
        "histograms",
        (distributions.find_stretch, distributions.find_bin),
        suits=lambda grid: grid.kind == CHART_TYPE_HISTOGRAM,
    ),
    Family(
        "relations",
        (
            relations.find_farthest,
            relations.find_outliers,
            relations.find_clusters,
            relations.find_fit,
            relations.find_correlation,
        ),
    ),
    Family(
        "courses over time",
        (
            courses.find_forecast,
            courses.find_compound_growth,
            courses.find_drawdown,
            courses.find_moving_average,
            courses.find_seasons,
            courses.find_crossings,
            courses.find_shift,
            courses.find_slope,
            courses.find_stepwise_changes,
        ),
        suits=lambda grid: len(grid.categories) > 1,
    ),
    Family("standing", (standing.find_closest, standing.find_each_share)),
    Family(
        "plain arithmetic",
        (
            change.find_trend,
            yes_no.answer_yes_no,
            reading.find_product,
            pairs.find_share,
            change.find_sharpest_change,
            change.find_growth,
            change.find_moves,
            pairs.find_difference,
            pairs.find_ratio,
            counting.find_count,
            reading.find_comparison,
            reading.find_shared_value,
            ranking.find_order,
            reading.find_by_condition,
            reading.find_aggregate,
            ranking.find_extreme,
            reading.find_names,
            reading.find_value,
        ),
    ),
)
METHODS = FAMILIES[:-1]
"""All but plain arithmetic: what they return is the reply, yes or no where they say so."""


def rules_for(grid: Grid) -> Iterator[tuple[Family, Rule]]:
    """Yield the rules that a figure can be asked by, in order."""
    for family in FAMILIES:
        if family.suits(grid):
            for rule in family.rules:
                yield family, rule
