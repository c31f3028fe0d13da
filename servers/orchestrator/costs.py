"""What models cost a job, and at which server of the mesh: its own steps added up, none taken over from another job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from loupe.orchestrator.v1.orchestrator_pb2 import Job, Step
from loupe.type.v1.cost_pb2 import Cost
from servers.kit import spending
from servers.orchestrator import degradation

# Whose model is asked, by what the observation is of. The critic's review is asked for again when it signs for a run.
_ASKED = {
    "read_figures": "vision",
    "write_code": "codegen",
    "repair_code": "codegen",
    "review_code": "critic",
    "run_code": "critic",
}


def told_cost(response: Any) -> Cost | None:
    """Return what a server says that its answer cost; None for one of a release that does not say."""
    return response.cost if response.HasField("cost") else None


def of_job(steps: Sequence[Step]) -> Cost | None:
    """Return what all steps of a job cost; None where some of them don't tell, as those of an older release."""
    return _sum([cost for _, cost in _costs(steps)])


def with_cost(job: Job, steps: Sequence[Step]) -> Job:
    """Return a job with what all of its steps cost."""
    made = Job()
    made.CopyFrom(job)
    if (cost := of_job(steps)) is not None:
        made.cost.CopyFrom(cost)
    return made


def by_server(steps: Sequence[Step]) -> dict[str, Cost | None]:
    """Return the same for each server that was asked in this job."""
    costs: dict[str, list[Cost | None]] = {}
    for server, cost in _costs(steps):
        costs.setdefault(server, []).append(cost)
    return {server: _sum(told) for server, told in costs.items()}


def _costs(steps: Sequence[Step]) -> Iterator[tuple[str, Cost | None]]:
    """Yield each server that was asked, with what that cost where it is on record."""
    pending = ""
    for step in steps:
        kind = step.WhichOneof("body")
        server = ""
        if kind == "action":
            pending = step.action.WhichOneof("kind") or ""
        elif kind == "thought" and step.thought.engine != degradation.ENGINE:
            server = "reasoning"
        elif kind == "observation":
            server, pending = _ASKED.get(pending, ""), ""
        elif kind == "incident" and step.HasField("cost"):
            # Of a server that failed; most errors have asked no model, and say nothing.
            server = _ASKED.get(pending, "reasoning")
        if server and step.attempt:
            yield server, step.cost if step.HasField("cost") else None


def _sum(costs: Sequence[Cost | None]) -> Cost | None:
    told = [cost for cost in costs if cost is not None]
    return spending.total(told) if len(told) == len(costs) else None
