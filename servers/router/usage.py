"""The ledger as the contract tells it: sums for calls, jobs, keys and models."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement

from loupe.router.v1.router_pb2 import GetUsageRequest, UsageGroup, UsageRow
from servers.router.ledger import Ledger
from servers.router.prices import usd
from servers.router.tables import ASKS

DEFAULT_ROWS = 100
_COLUMNS: dict[UsageGroup.ValueType, tuple[str, ...]] = {
    UsageGroup.USAGE_GROUP_CALL: ("call_id", "job_id"),
    UsageGroup.USAGE_GROUP_JOB: ("job_id",),
    UsageGroup.USAGE_GROUP_KEY: ("owner", "service"),
    UsageGroup.USAGE_GROUP_MODEL: ("provider", "model", "revision", "arm", "is_shadow"),
}


async def sum_usage(ledger: Ledger, owner: str, request: GetUsageRequest) -> list[UsageRow]:
    """Return the sums of an owner's calls that match."""
    where: list[ColumnElement[bool]] = [ASKS.c.owner == owner]
    for name in ("call_id", "job_id", "model"):
        if value := getattr(request, name):
            where.append(ASKS.c[name] == value)
    if request.HasField("start_time"):
        where.append(ASKS.c.start_time_ms >= request.start_time.ToMilliseconds())
    if request.HasField("end_time"):
        where.append(ASKS.c.start_time_ms < request.end_time.ToMilliseconds())
    by = _COLUMNS.get(request.group_by, ())
    return [_row(sums) for sums in await ledger.sums(by, where, request.max_rows or DEFAULT_ROWS)]


def _row(sums: dict[str, Any]) -> UsageRow:
    cost = usd(int(sums.pop("cost_nano_usd")))
    audio_s = int(sums.pop("audio_ms")) / 1000
    return UsageRow(
        cost_usd=cost, audio_s=audio_s, **{name: value for name, value in sums.items() if value is not None}
    )
