"""`loupe analyze`: one job for each image, its steps as they happen, its bundle on this disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import grpc

from cli import bundle_folder, images, lifecycle
from cli.config import Settings
from cli.connection import Connection, connect, failure
from cli.errors import CommandFailed, ExitCode, reason_of, worst
from cli.job_stream import run_job
from cli.options import APPROVALS
from cli.rendering import JobPrinter, JsonLines, TextLines
from cli.wording import counted
from loupe.orchestrator.v1.approval_pb2 import ApprovalMode
from loupe.orchestrator.v1.incident_pb2 import RemedyKind
from loupe.orchestrator.v1.orchestrator_pb2 import CancelJobRequest, FinalAnswer, JobSpec, JobState
from loupe.type.v1.answer_pb2 import AnswerStatus
from loupe.type.v1.cost_pb2 import Cost
from servers.kit import spending

_CANCEL_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Wishes:
    """What the user wants of the jobs besides their answers."""

    approval: str
    """A key of APPROVALS."""
    may_ask: bool
    may_retry: bool
    may_shorten: bool

    def put_into(self, spec: JobSpec) -> None:
        """Write them down."""
        spec.approval.mode = ApprovalMode.Value(APPROVALS[self.approval])
        spec.may_ask = self.may_ask
        if self.may_retry:
            spec.consents.append(RemedyKind.REMEDY_KIND_RETRY)
        if self.may_shorten:
            spec.consents.append(RemedyKind.REMEDY_KIND_SHORTEN)


def analyze(
    settings: Settings, paths: Sequence[Path], question: str | None, out: Path, wishes: Wishes, *, as_json: bool
) -> ExitCode:
    """Run a job for each image, one after the other; return the worst of their codes."""
    spec = JobSpec(question=images.checked_question(question))
    wishes.put_into(spec)
    good, codes = images.readable(paths)
    if not good:
        return worst(codes)
    images.make_folder(out)
    address = lifecycle.ensure_running(settings)
    printer: JobPrinter = JsonLines() if as_json else TextLines()
    codes += asyncio.run(_run_all(address, settings.keys.api_key(), good, spec, out, printer))
    return worst(codes)


async def _run_all(
    address: str, key: str, paths: Sequence[Path], asked: JobSpec, out: Path, printer: JobPrinter
) -> list[ExitCode]:
    names = images.OutputNames()
    codes = []
    async with connect(address, key) as connection:
        for path in paths:
            folder = out / names.take(path.stem)
            printer.begin(images.shown(path), asked.question)
            try:
                codes.append(await _run_one(connection, path, asked, folder, printer))
            except CommandFailed as error:
                codes.append(_failed(printer, f"{images.shown(path)}: {error.message}"))
            except grpc.aio.AioRpcError as error:
                codes.append(_failed(printer, failure(error, images.shown(path)).message))
            except OSError as error:
                codes.append(_failed(printer, f"{images.shown(path)}: {reason_of(error)}: {error.filename}"))
    return codes


async def _run_one(connection: Connection, path: Path, asked: JobSpec, folder: Path, printer: JobPrinter) -> ExitCode:
    started = time.monotonic()
    job_id = ""
    cost = Cost()
    try:
        spec = JobSpec(inputs=[await connection.upload(path)])
        spec.MergeFrom(asked)
        async for response in run_job(connection, spec):
            job_id = response.job.job_id or job_id
            printer.show(response, job_id)
            step = response.step
            cost = spending.total([cost, step.cost])
            if step.job_state == JobState.JOB_STATE_SUCCEEDED:
                spent = f", {spending.in_words(cost)}" if cost.ask_count else ""
                about = f"{time.monotonic() - started:.1f} s{spent}, {job_id}"
                return await _take(connection, step.answer, folder, printer, about)
            if step.job_state == JobState.JOB_STATE_CANCELLED:
                printer.end(job_id)
                return ExitCode.CANCELLED
    except asyncio.CancelledError:
        printer.end("")
        await _cancel(connection, job_id)
        raise
    printer.end(f"{job_id}: `loupe jobs show {job_id}` tells more")
    return ExitCode.FAILED


async def _take(connection: Connection, final: FinalAnswer, folder: Path, printer: JobPrinter, about: str) -> ExitCode:
    """Write the bundle, where there is one, and say where it is, and what there is to tell about the job."""
    if final.bundle.files:
        await bundle_folder.save(connection, final.bundle, folder)
        printer.end(f"{images.shown(folder)}/ has {counted(len(final.bundle.files), 'file')} ({about})")
    else:
        printer.end(f"no bundle: nothing was computed ({about})")
    is_unanswerable = final.answer.status == AnswerStatus.ANSWER_STATUS_UNANSWERABLE
    return ExitCode.UNANSWERABLE if is_unanswerable else ExitCode.ANSWERED


async def _cancel(connection: Connection, job_id: str) -> None:
    """Cancel the job on the server after Ctrl-C; a second Ctrl-C ends the command at once."""
    if not job_id:
        click.echo("cancelled before the job began", err=True)
        return
    try:
        request = CancelJobRequest(job_id=job_id)
        await connection.jobs.CancelJob(request, metadata=connection.metadata, timeout=_CANCEL_TIMEOUT_S)
    except grpc.aio.AioRpcError as error:
        click.echo(f"loupe: {job_id} could not be cancelled: {failure(error).message}", err=True)
    else:
        click.echo(f"cancelled {job_id}", err=True)


def _failed(printer: JobPrinter, line: str) -> ExitCode:
    printer.end("")
    click.echo(f"loupe: {line}", err=True)
    return ExitCode.FAILED
