"""Figure numbers across several inputs: vision counts from f1 in each image, a job counts through."""

from __future__ import annotations

from collections.abc import Iterable

from loupe.type.v1.figure_pb2 import Figure
from servers.orchestrator.trace import values_of


def renumber(figures: Iterable[Figure], after: int) -> None:
    """Rename figures f1, f2, ... to follow `after` others, with all their value ids."""
    for number, figure in enumerate(figures, start=after + 1):
        old, new = f"{figure.figure_id}.", f"f{number}."
        figure.figure_id = f"f{number}"
        for value in values_of(figure):
            value.value_id = new + value.value_id.removeprefix(old)
        for reason in figure.reasons:
            reason.value_ids[:] = [new + value_id.removeprefix(old) for value_id in reason.value_ids]
