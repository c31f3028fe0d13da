"""`loupe jobs retry | fork | replay`: jobs made from jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from cli import corrections, images, wording
from cli.approvals import read_program
from cli.config import Settings
from cli.connection import Connection, again
from cli.errors import CommandFailed, ExitCode
from cli.job_stream import watch_job
from cli.jobs import check_id, connected, follow
from loupe.orchestrator.v1.control_pb2 import (
    CodeChange,
    CompareJobsRequest,
    CompareJobsResponse,
    FigureChange,
    ForkJobRequest,
    QuestionChange,
    ReplayJobRequest,
    RetryJobRequest,
)
from loupe.orchestrator.v1.incident_pb2 import RemedyKind
from loupe.type.v1.figure_pb2 import Figure
from servers.kit import wire_json
from servers.kit.ids import new_id


@dataclass(frozen=True)
class Corrections:
    """What was misread, as a user writes it."""

    ticks: tuple[str, ...]
    series: tuple[str, ...]
    values: tuple[str, ...]
    labels: tuple[str, ...]

    def __bool__(self) -> bool:
        return any((self.ticks, self.series, self.values, self.labels))


def retry(settings: Settings, job_id: str, after_sequence: int, *, may_shorten: bool, as_json: bool) -> ExitCode:
    """Do a job again and watch it."""
    check_id(job_id)
    consents = [RemedyKind.REMEDY_KIND_SHORTEN] if may_shorten else []

    async def run(connection: Connection) -> ExitCode:
        made = await _retried(connection, job_id, after_sequence, consents)
        return await _watched(connection, made, as_json=as_json)

    return connected(settings, run)


def fork(
    settings: Settings,
    job_id: str,
    question: str | None,
    program: Path | None,
    corrected: Corrections,
    *,
    as_json: bool,
) -> ExitCode:
    """Do a job again with one thing changed and watch it."""
    check_id(job_id)
    if (question is not None) + (program is not None) + bool(corrected) != 1:
        raise CommandFailed("change one thing: -p, --code, or what was misread", ExitCode.USAGE)

    async def run(connection: Connection) -> ExitCode:
        request = ForkJobRequest(job_id=job_id, request_id=new_id("fork"))
        if question is not None:
            request.question.CopyFrom(QuestionChange(question=images.checked_question(question) or ""))
        elif program is not None:
            request.code.CopyFrom(CodeChange(source=read_program(program)))
        else:
            request.figure.CopyFrom(await _change(connection, job_id, corrected))
        response = await again(lambda: connection.jobs.ForkJob(request, metadata=connection.metadata))
        return await _watched(connection, response.job.job_id, as_json=as_json)

    return connected(settings, run)


def replay(settings: Settings, job_id: str, *, is_live: bool, as_json: bool) -> ExitCode:
    """Say whether a job comes out the same: from its log, or live."""
    check_id(job_id)

    async def run(connection: Connection) -> ExitCode:
        if is_live:
            return await _replayed_live(connection, job_id, as_json=as_json)
        request = ReplayJobRequest(job_id=job_id)
        response = await again(lambda: connection.jobs.ReplayJob(request, metadata=connection.metadata))
        if as_json:
            click.echo(wire_json.to_line(response))
        elif response.is_identical:
            click.echo(f"identical: {response.digest}")
        else:
            click.echo(f"different: {', '.join(wording.plain(name) for name in response.differing_files)}")
        return ExitCode.ANSWERED if response.is_identical else ExitCode.FAILED

    return connected(settings, run)


async def _replayed_live(connection: Connection, job_id: str, *, as_json: bool) -> ExitCode:
    made = await _retried(connection, job_id, 0)
    async for watched in watch_job(connection, made, 0):
        # It asks what the first one asked; a person's word is of one job.
        for line in wording.asked(made, watched.step.action):
            click.echo(line, err=True)
    request = CompareJobsRequest(job_id=job_id, other_job_id=made)
    response: CompareJobsResponse = await again(
        lambda: connection.jobs.CompareJobs(request, metadata=connection.metadata)
    )
    if as_json:
        click.echo(wire_json.to_line(response))
    elif response.is_identical:
        click.echo(f"identical to {made}, step by step")
    else:
        sequence = max(response.step.sequence, response.other_step.sequence)
        click.echo(f"{made} differs from step {sequence} on: {wording.plain(response.difference)}")
    return ExitCode.ANSWERED if response.is_identical else ExitCode.FAILED


async def _retried(
    connection: Connection, job_id: str, after_sequence: int, consents: Sequence[RemedyKind.ValueType] = ()
) -> str:
    request = RetryJobRequest(job_id=job_id, request_id=new_id("retry"), after_sequence=after_sequence)
    request.consents.extend(consents)
    response = await again(lambda: connection.jobs.RetryJob(request, metadata=connection.metadata))
    return response.job.job_id


async def _watched(connection: Connection, job_id: str, *, as_json: bool) -> ExitCode:
    click.echo(job_id, err=as_json)
    return await follow(connection, job_id, 0, as_json=as_json)


async def _change(connection: Connection, job_id: str, corrected: Corrections) -> FigureChange:
    figures: dict[str, Figure] = {}
    async for response in watch_job(connection, job_id, 0):
        figures |= {figure.figure_id: figure for figure in response.step.observation.figures.figures}
    wanted = corrections.parse(
        list(figures.values()), corrected.ticks, corrected.series, corrected.values, corrected.labels
    )
    if len(wanted) > 1:
        raise CommandFailed(f"one figure at a time: these are of {', '.join(wanted)}", ExitCode.USAGE)
    (figure_id, changes), *_ = wanted.items()
    return FigureChange(figure_id=figure_id, corrections=changes)
