"""`loupe jobs export`: all of a job in one file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from cli import bundle_folder, images
from cli.config import Settings
from cli.connection import Connection, again
from cli.errors import CommandFailed, ExitCode, reason_of
from cli.jobs import check_id, connected
from loupe.orchestrator.v1.control_pb2 import ExportJobRequest


def export(settings: Settings, job_id: str, out: Path | None) -> ExitCode:
    """Write a job's zip."""
    check_id(job_id)
    target = out or Path(f"{job_id}.zip")

    async def run(connection: Connection) -> ExitCode:
        request = ExportJobRequest(job_id=job_id)
        response = await again(lambda: connection.jobs.ExportJob(request, metadata=connection.metadata))
        content = await connection.download(response.file)
        try:
            await asyncio.to_thread(bundle_folder.write_whole, target, content)
        except OSError as error:
            raise CommandFailed(f"{images.shown(target)}: {reason_of(error)}") from None
        click.echo(f"{images.shown(target)}: {len(content):,} bytes")
        return ExitCode.ANSWERED

    return connected(settings, run)
