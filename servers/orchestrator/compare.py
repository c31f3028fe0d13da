"""The first step in which two jobs differ, and where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from loupe.orchestrator.v1.control_pb2 import CompareJobsResponse
from loupe.orchestrator.v1.orchestrator_pb2 import Step
from servers.kit import wire_json

# What differs between two runs of the same: when, as which stored file, how long, and for how much.
_OF_THE_RUN = frozenset(
    {
        *("create_time", "attempt", "job_state", "file_id", "expire_time"),
        *("cost", "wall_time", "cpu_time", "peak_memory_kib", "incident_id", "trace_id", "decided_by", "answered_by"),
    }
)


def compare(steps: Sequence[Step], others: Sequence[Step]) -> CompareJobsResponse:
    """Return whether two logs tell the same, and the first pair of steps that don't."""
    for step, other in zip_longest(steps, others):
        if step is None or other is None:
            told = "one of the jobs ended before"
        elif _kind(step) != _kind(other):
            told = f"{_kind(step)} and {_kind(other)}"
        else:
            told = next(_differences("", _told(step), _told(other)), "")
        if told:
            return CompareJobsResponse(step=step, other_step=other, difference=told)
    return CompareJobsResponse(is_identical=True)


def _kind(step: Step) -> str:
    """Return what a step is: "thought", "action run_code"."""
    inner = step.action.WhichOneof("kind") or step.observation.WhichOneof("kind")
    return " ".join(filter(None, (step.WhichOneof("body"), inner)))


def _told(step: Step) -> Any:
    told = wire_json.to_object(step)
    # The manifest holds times and ids, and is one of the files of a bundle.
    files = told.get("answer", {}).get("bundle", {}).get("files", [])
    files[:] = [file for file in files if file["name"] != "manifest.json"]
    return told


def _differences(path: str, one: Any, other: Any) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *(key for key in other if key not in one)]:
            if key not in _OF_THE_RUN:
                yield from _differences(f"{path}.{key}".lstrip("."), one.get(key), other.get(key))
    elif isinstance(one, list) and isinstance(other, list):
        for place, (a, b) in enumerate(zip_longest(one, other)):
            yield from _differences(f"{path}[{place}]", a, b)
    elif one != other:
        yield f"{path}: {_short(one)} and {_short(other)}"


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
