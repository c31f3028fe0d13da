"""The probability that a value is within 5 % of the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence

from loupe.type.v1 import figure_pb2
from servers.vision.fidelity.evidence import Agreement, Evidence
from servers.vision.measuring import values_of


def weigh(chart: figure_pb2.Chart, evidence: Sequence[Evidence]) -> None:
    """Give each value of a chart its confidence; what a person gave is sure."""
    for one in evidence:
        value = one.entry.value
        if not value.HasField("number"):
            value.confidence = 0.0
        elif value.origin == figure_pb2.ORIGIN_CORRECTED:
            value.confidence = 1.0
        else:
            value.confidence = _probability(one)


def expected_share(figure: figure_pb2.Figure) -> float:
    """Return how many of a figure's numbers should be right, 0 to 1; 1 for a figure without any."""
    confidences = [value.confidence for value in values_of(figure) if value.HasField("number")]
    return sum(confidences) / len(confidences) if confidences else 1.0


def _probability(one: Evidence) -> float:
    value = one.entry.value
    if value.origin == figure_pb2.ORIGIN_PRINTED:
        return {Agreement.AGREES: 0.985, Agreement.UNCHECKED: 0.95, Agreement.DISAGREES: 0.4}[one.agreement]
    if one.slack_px is None:
        return 0.9 if value.origin == figure_pb2.ORIGIN_INTERPOLATED else 0.4
    sigma = math.hypot(0.5, one.residual_px)
    return min(0.98, math.erf(one.slack_px / (sigma * math.sqrt(2))))
