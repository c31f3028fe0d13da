"""`loupe jobs approve | reject | edit | answer`: what a waiting job needs of a person."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from cli import wording
from cli.config import Settings
from cli.connection import Connection, again
from cli.errors import CommandFailed, ExitCode, reason_of
from cli.job_stream import TERMINAL, watch_job
from cli.jobs import check_id, connected
from loupe.critic.v1.critic_pb2 import Severity, Verdict
from loupe.orchestrator.v1.control_pb2 import AnswerPromptRequest, Approve, DecideApprovalRequest, Edit, Reject
from loupe.orchestrator.v1.orchestrator_pb2 import GetJobRequest, Job
from loupe.reasoning.v1.reasoning_pb2 import CodeWritten
from servers.kit import wire_json


def approve(
    settings: Settings, job_id: str, code_sha256: str | None, *, is_for_whole_job: bool, as_json: bool
) -> ExitCode:
    """Let code run: that with the digest, or that which is shown and said yes to."""
    check_id(job_id)

    async def run(connection: Connection) -> ExitCode:
        seen = code_sha256
        if seen is None:
            code, verdict = await _awaiting_code(connection, job_id)
            _show(code, verdict)
            seen = code.code_sha256
            if not await asyncio.to_thread(click.confirm, "May it run?", err=True):
                click.echo(f"nothing was decided; `loupe jobs reject {job_id}` ends the job", err=True)
                return ExitCode.CANCELLED
        request = DecideApprovalRequest(
            job_id=job_id, code_sha256=seen, approve=Approve(is_for_whole_job=is_for_whole_job)
        )
        return await _decide(connection, request, "approved", as_json=as_json)

    return connected(settings, run)


def reject(settings: Settings, job_id: str, reason: str, *, as_json: bool) -> ExitCode:
    """End a job that waits for approval."""
    check_id(job_id)

    async def run(connection: Connection) -> ExitCode:
        job = await _job(connection, job_id)
        request = DecideApprovalRequest(job_id=job_id, code_sha256=_asked(job), reject=Reject(reason=reason))
        return await _decide(connection, request, "rejected", as_json=as_json)

    return connected(settings, run)


def edit(settings: Settings, job_id: str, program: Path, *, as_json: bool) -> ExitCode:
    """Put a file in the place of the code that a job asks about."""
    check_id(job_id)
    source = read_program(program)

    async def run(connection: Connection) -> ExitCode:
        job = await _job(connection, job_id)
        request = DecideApprovalRequest(job_id=job_id, code_sha256=_asked(job), edit=Edit(source=source))
        return await _decide(connection, request, "replaced", as_json=as_json)

    return connected(settings, run)


def answer(settings: Settings, job_id: str, choice_id: str, *, as_json: bool) -> ExitCode:
    """Answer what a job asks."""
    check_id(job_id)

    async def run(connection: Connection) -> ExitCode:
        job = await _job(connection, job_id)
        if not job.awaiting.HasField("ask_person"):
            raise CommandFailed(f"{job_id} asks nothing: it {wording.standing(job.state)}")
        request = AnswerPromptRequest(job_id=job_id, sequence=job.last_sequence, choice_id=choice_id)
        response = await again(lambda: connection.jobs.AnswerPrompt(request, metadata=connection.metadata))
        _told(response.job, "answered", as_json=as_json)
        return ExitCode.ANSWERED

    return connected(settings, run)


def read_program(path: Path) -> str:
    """Return a Python file's text. Raises CommandFailed where it can't be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CommandFailed(f"{path}: {reason_of(error)}", ExitCode.USAGE) from None


async def _decide(connection: Connection, request: DecideApprovalRequest, word: str, *, as_json: bool) -> ExitCode:
    response = await again(lambda: connection.jobs.DecideApproval(request, metadata=connection.metadata))
    _told(response.job, word, as_json=as_json)
    return ExitCode.ANSWERED


def _told(job: Job, word: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(wire_json.to_line(job))
    elif job.state in TERMINAL:
        click.echo(f"{word}; the job {wording.standing(job.state)}")
    else:
        click.echo(f"{word}; `loupe jobs watch {job.job_id}` shows how it goes on")


async def _job(connection: Connection, job_id: str) -> Job:
    request = GetJobRequest(job_id=job_id)
    return (await again(lambda: connection.jobs.GetJob(request, metadata=connection.metadata))).job


def _asked(job: Job) -> str:
    if not job.awaiting.HasField("ask_approval"):
        raise CommandFailed(f"{job.job_id} asks for no approval: it {wording.standing(job.state)}")
    return job.awaiting.ask_approval.code_sha256


async def _awaiting_code(connection: Connection, job_id: str) -> tuple[CodeWritten, Verdict]:
    job = await _job(connection, job_id)
    _asked(job)
    code, verdict = CodeWritten(), Verdict()
    async for response in watch_job(connection, job_id, 0):
        step = response.step
        if step.observation.HasField("code"):
            code = step.observation.code
        elif step.observation.HasField("verdict"):
            verdict = step.observation.verdict
        elif step.sequence == job.last_sequence:
            break
    return code, verdict


def _show(code: CodeWritten, verdict: Verdict) -> None:
    """Print code with the numbers of its lines; what the critic found stands after it, where the eye ends."""
    for number, line in enumerate(code.source.splitlines(), start=1):
        click.echo(f"{number:>4}  {''.join(letter if letter.isprintable() else ' ' for letter in line)}")
    for finding in verdict.findings:
        severity = Severity.Name(finding.severity).removeprefix("SEVERITY_").lower()
        click.echo(f"line {finding.line}: {wording.plain(finding.message)} ({wording.plain(finding.rule)}, {severity})")
    click.echo(f"SHA-256 {code.code_sha256}; the critic {wording.verdict(verdict)}")
