"""What a model says of a figure, as doubts: its word can lower a confidence and raise none."""

from __future__ import annotations

from collections.abc import Sequence

from loupe.type.v1 import figure_pb2
from servers.vision.measuring import values_of

DISAGREES = "model_disagrees"
SEES_NONE = "model_sees_none"
SEES_OTHER = "model_sees_other"
ONLY = "only_a_model"
UNSUPPORTED = 0.5
"""Confidence of a number that only a model says, and most of one that a model contradicts: of two readings that differ
at most one is right, and no measurement of these models is there that would say more."""


def standing(
    figure: figure_pb2.Figure, reasons: Sequence[figure_pb2.FidelityReason]
) -> list[figure_pb2.FidelityReason]:
    """Return the reasons without contradictions of values that a person has settled since."""
    settled = {
        value.value_id for value in values_of(figure) if value.origin == figure_pb2.ORIGIN_CORRECTED and value.value_id
    }
    kept = []
    for one in reasons:
        if one.code != DISAGREES or not settled.intersection(one.value_ids):
            kept.append(one)
        elif left := [value_id for value_id in one.value_ids if value_id not in settled]:
            kept.append(figure_pb2.FidelityReason(code=one.code, message=one.message, value_ids=left))
    return kept


def limit(figure: figure_pb2.Figure, reasons: Sequence[figure_pb2.FidelityReason]) -> None:
    """Lower the confidence of each value that a reason says a model contradicts; to do it twice changes nothing."""
    contradicted = {value_id for one in reasons if one.code == DISAGREES for value_id in one.value_ids}
    for value in values_of(figure):
        if value.value_id in contradicted:
            value.confidence = min(value.confidence, UNSUPPORTED)
