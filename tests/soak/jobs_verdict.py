"""Looks at every job that was accepted: did it end, as an undisturbed one does, with each step and each file once?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from loupe.orchestrator.v1 import orchestrator_pb2 as pb
from servers.kit.files_client import FilesClient
from tests.soak.jobs_callers import WHOLE, Seen, undone

_FILES = {
    *("analysis.ipynb", "analysis.py", "answer.json", "chart.json", "chart.png", "data.csv"),
    *("manifest.json", "overlay.png", "report.md"),
}


async def verdict(
    stub: Any, files: FilesClient, seen: Seen, undisturbed: str, whole: Sequence[str] = WHOLE
) -> list[str]:
    """Return what is wrong, a line each.

    Args:
      undisturbed: id of a job that nothing happened to.
      whole: what such a job does.
    """
    digest = (await stub.GetJob(pb.GetJobRequest(job_id=undisturbed))).job.bundle.digest
    wrong = []
    for job_id, steps in seen.steps.items():
        job = (await stub.GetJob(pb.GetJobRequest(job_id=job_id))).job
        if job.state == pb.JOB_STATE_CANCELLED and job_id in seen.cancelled:
            problem = _of_cancelled(job, steps)
        elif job.state != pb.JOB_STATE_SUCCEEDED:
            problem = f"{pb.JobState.Name(job.state)}, {job.incident.summary}: {job.incident.diagnosis}"
        elif job.bundle.digest != digest:
            problem = f"its bundle is {job.bundle.digest}, undisturbed {digest}"
        else:
            problem = undone(steps, whole) or await _of_records(stub, files, job, steps)
        if problem:
            wrong.append(f"{job_id}: {problem}")
    return wrong


def _of_cancelled(job: pb.Job, steps: list[pb.Step]) -> str:
    if [step.sequence for step in steps] != list(range(1, job.last_sequence + 1)):
        return f"{job.last_sequence} steps on record, seen were {[step.sequence for step in steps]}"
    return "" if steps[-1].HasField("incident") else "it was cancelled without a word"


async def _of_records(stub: Any, files: FilesClient, job: pb.Job, steps: list[pb.Step]) -> str:
    """Hold what is on record against what was seen while it came to be."""
    events = stub.WatchJob(pb.WatchJobRequest(job_id=job.job_id))
    if [event.step async for event in events if event.HasField("step")] != steps:
        return "its steps on record are others than those that were seen"
    named = [file.name for file in job.bundle.files]
    if len(named) != len(_FILES) or set(named) != _FILES:
        return f"its bundle holds {named}"
    for file in job.bundle.files:
        await files.read(file.file)  # raises where the content has another digest
    return ""
