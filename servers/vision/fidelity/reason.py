"""One doubt as the contract's message."""

from __future__ import annotations

from collections.abc import Sequence

from loupe.type.v1 import figure_pb2
from servers.vision.measuring import entries

_MOST_IDS = 2000
_LONGEST = 500


def reason(
    code: str,
    message: str,
    values: Sequence[figure_pb2.Value] = (),
    chart: figure_pb2.Chart | None = None,
) -> figure_pb2.FidelityReason:
    """Return a doubt about some values, or about the whole figure where there are none or all of a chart's."""
    if chart is not None and len(values) == len(entries(chart)):
        values = ()
    return figure_pb2.FidelityReason(
        code=code, message=message[:_LONGEST], value_ids=[value.value_id for value in values[:_MOST_IDS]]
    )
