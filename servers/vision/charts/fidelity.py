"""Whether a chart's values may be used as they are: every doubt by a stable code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from loupe.type.v1 import figure_pb2

# Doubts that leave nothing usable; all others ask for a look.
_FATAL = frozenset({"no_scale", "no_values"})


@dataclass
class Doubts:
    """The reasons found while a chart is read."""

    found: dict[str, str] = field(default_factory=dict)

    def add(self, code: str, message: str) -> None:
        """Note a doubt once."""
        self.found.setdefault(code, message[:500])

    def apply(self, figure: figure_pb2.Figure) -> None:
        """Write fidelity and reasons into the figure."""
        if any(code in _FATAL for code in self.found):
            figure.fidelity = figure_pb2.FIDELITY_FAIL
        else:
            figure.fidelity = figure_pb2.FIDELITY_REVIEW if self.found else figure_pb2.FIDELITY_PASS
        del figure.reasons[:]
        figure.reasons.extend(figure_pb2.FidelityReason(code=code, message=text) for code, text in self.found.items())


def tell(cuts: Mapping[str, str], figure: figure_pb2.Figure) -> None:
    """Add where work was cut short to a figure's reasons; what may lack a part asks for a look."""
    figure.reasons.extend(figure_pb2.FidelityReason(code=code, message=text[:500]) for code, text in cuts.items())
    if cuts and figure.fidelity == figure_pb2.FIDELITY_PASS:
        figure.fidelity = figure_pb2.FIDELITY_REVIEW


def check_parts(percentages: Iterable[float], doubts: Doubts) -> None:
    """Doubt parts of a whole whose percentages do not add up to 100, rounding of each part allowed for."""
    parts = list(percentages)
    total = sum(parts)
    if parts and abs(total - 100.0) > 0.5 * len(parts) + 1.0:
        doubts.add("parts_do_not_add_up", f"the parts add up to {total:g} %, not 100 %")
