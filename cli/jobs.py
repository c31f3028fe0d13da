"""`loupe jobs`: the jobs of this installation, listed, shown, watched and cancelled."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import datetime

import click
import grpc

from cli import mesh_state, wording
from cli.config import Settings
from cli.connection import Connection, again, connect, failure
from cli.errors import CommandFailed, ExitCode
from cli.job_stream import TERMINAL, watch_job
from cli.rendering import JobPrinter, JsonLines, TextLines
from loupe.orchestrator.v1.orchestrator_pb2 import (
    CancelJobRequest,
    GetJobRequest,
    Job,
    JobState,
    ListJobsRequest,
)
from loupe.type.v1.answer_pb2 import AnswerStatus
from servers.kit import spending, wire_json

_JOB_ID = re.compile(r"job_[0-9a-z]{26}")
_QUESTION_WIDTH = 60


def list_jobs(settings: Settings, count: int, *, as_json: bool) -> ExitCode:
    """Print the newest jobs."""

    async def run(connection: Connection) -> ExitCode:
        request = ListJobsRequest(page_size=count)
        response = await again(lambda: connection.jobs.ListJobs(request, metadata=connection.metadata))
        if as_json:
            click.echo(wire_json.to_line(response))
            return ExitCode.ANSWERED
        for job in response.jobs:
            asked = wording.plain(job.spec.question) or "describe"
            asked = asked if len(asked) <= _QUESTION_WIDTH else f"{asked[: _QUESTION_WIDTH - 1]}…"
            click.echo(f"{job.job_id}  {_local(job):%Y-%m-%d %H:%M:%S}  {_state(job):<17}  {asked}")
        if not response.jobs:
            click.echo("no jobs yet: `loupe analyze IMAGE` runs one")
        return ExitCode.ANSWERED

    return connected(settings, run)


def show(settings: Settings, job_id: str, *, as_json: bool) -> ExitCode:
    """Print a job as it stands."""
    check_id(job_id)

    async def run(connection: Connection) -> ExitCode:
        request = GetJobRequest(job_id=job_id)
        response = await again(lambda: connection.jobs.GetJob(request, metadata=connection.metadata))
        if as_json:
            click.echo(wire_json.to_line(response))
        else:
            _print(response.job)
        return ExitCode.ANSWERED

    return connected(settings, run)


def watch(settings: Settings, job_id: str, after_sequence: int, *, as_json: bool) -> ExitCode:
    """Print a job's steps as they happen; return the code that its end has with `loupe analyze`."""
    check_id(job_id)

    return connected(settings, lambda connection: follow(connection, job_id, after_sequence, as_json=as_json))


async def follow(connection: Connection, job_id: str, after_sequence: int, *, as_json: bool) -> ExitCode:
    """Print a job's steps to its end; return the code that its end has with `loupe analyze`."""
    printer: JobPrinter = JsonLines() if as_json else TextLines()
    code = ExitCode.ANSWERED
    try:
        async for response in watch_job(connection, job_id, after_sequence):
            printer.show(response, job_id)
            step = response.step
            if step.job_state == JobState.JOB_STATE_FAILED:
                code = ExitCode.FAILED
            elif step.job_state == JobState.JOB_STATE_CANCELLED:
                code = ExitCode.CANCELLED
            elif step.answer.answer.status == AnswerStatus.ANSWER_STATUS_UNANSWERABLE:
                code = ExitCode.UNANSWERABLE
    finally:
        printer.end("")
    return code


def cancel(settings: Settings, job_id: str, *, as_json: bool) -> ExitCode:
    """Cancel a job; one that has ended stays as it is."""
    check_id(job_id)

    async def run(connection: Connection) -> ExitCode:
        request = CancelJobRequest(job_id=job_id)
        response = await again(lambda: connection.jobs.CancelJob(request, metadata=connection.metadata))
        if as_json:
            click.echo(wire_json.to_line(response))
        elif response.job.state == JobState.JOB_STATE_CANCELLED:
            click.echo(f"{job_id} is cancelled")
        else:
            click.echo(f"{job_id} had ended before: {wording.state(response.job.state)}")
        return ExitCode.ANSWERED

    return connected(settings, run)


def connected(settings: Settings, run: Callable[[Connection], Awaitable[ExitCode]]) -> ExitCode:
    """Do something with the running mesh. Raises CommandFailed where none runs, or a call fails."""
    state = mesh_state.read_running(settings.run_dir)
    if state is None:
        raise CommandFailed("no mesh is running: `loupe up --detach` starts it")

    async def whole() -> ExitCode:
        async with connect(state.address, settings.keys.api_key()) as connection:
            try:
                return await run(connection)
            except grpc.aio.AioRpcError as error:
                raise failure(error) from error

    return asyncio.run(whole())


def check_id(job_id: str) -> None:
    """Refuse what can't be a job id before anything is asked of the mesh."""
    if not _JOB_ID.fullmatch(job_id):
        raise CommandFailed(f"{job_id!r} is no job id: `loupe jobs list` shows them", ExitCode.USAGE)


def _print(job: Job) -> None:
    click.echo(f"{job.job_id}: {_state(job)}")
    click.echo(f"  asked: {wording.plain(job.spec.question) or 'to describe the picture'}")
    click.echo(
        f"  begun: {_local(job):%Y-%m-%d %H:%M:%S}{_duration(job)}, {wording.counted(job.last_sequence, 'step')}"
    )
    if job.HasField("answer"):
        answer = job.answer
        click.echo(f"  answer: {wording.plain(answer.text or answer.reason)}")
    if job.HasField("incident"):
        goes_on = job.state not in TERMINAL
        for word, told in wording.incident_lines(job.incident, job.job_id, goes_on=goes_on):
            click.echo(f"  {word}: {told}")
        if job.incident.plan:
            click.echo(f"  left to do: {', '.join(map(wording.plain, job.incident.plan))}")
        trace = f", trace {job.incident.trace_id}" if job.incident.trace_id else ""
        click.echo(f"  on record: {job.incident.incident_id}, step {job.incident.failed_sequence}{trace}")
        for line in job.incident.log_tail.splitlines()[-10:]:
            click.echo(f"    {wording.plain(line)}")
    if job.HasField("awaiting"):
        for line in wording.asked(job.job_id, job.awaiting):
            click.echo(f"  {line}")
    cost = spending.in_words(job.cost) if job.HasField("cost") else "not on record"
    click.echo(f"  cost: {cost}")
    for file in job.bundle.files:
        click.echo(f"  {wording.plain(file.name):<16} {file.file.size_bytes:>9,} bytes  {file.file.file_id}")


def _state(job: Job) -> str:
    is_unanswerable = job.answer.status == AnswerStatus.ANSWER_STATUS_UNANSWERABLE
    return "unanswerable" if is_unanswerable else wording.state(job.state)


def _local(job: Job) -> datetime:
    return datetime.fromtimestamp(job.create_time.seconds).astimezone()


def _duration(job: Job) -> str:
    if not job.HasField("end_time"):
        return ""
    return f", {(job.end_time.ToNanoseconds() - job.create_time.ToNanoseconds()) / 1e9:.1f} s"
