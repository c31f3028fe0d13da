"""Doubts that only reading itself can have, by a stable code; what follows from a figure alone is checked later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from loupe.type.v1 import figure_pb2


@dataclass
class Doubts:
    """The reasons found while a chart is read."""

    found: dict[str, str] = field(default_factory=dict)

    def add(self, code: str, message: str) -> None:
        """Note a doubt once."""
        self.found.setdefault(code, message[:500])

    def apply(self, figure: figure_pb2.Figure) -> None:
        """Write the reasons into the figure; the verdict follows when all of it has been read."""
        tell(self.found, figure)


def tell(doubts: Mapping[str, str], figure: figure_pb2.Figure) -> None:
    """Add doubts, or where work was cut short, to a figure's reasons."""
    figure.reasons.extend(figure_pb2.FidelityReason(code=code, message=text[:500]) for code, text in doubts.items())
