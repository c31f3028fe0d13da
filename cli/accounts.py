"""`loupe jobs explain | export`: what a job rests on, and all of it in one file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from cli import bundle_folder, images, wording
from cli.config import Settings
from cli.connection import Connection, again
from cli.errors import CommandFailed, ExitCode, reason_of
from cli.jobs import check_id, connected
from loupe.orchestrator.v1.control_pb2 import ExplainJobRequest, ExplanationKind, ExportJobRequest
from servers.kit import wire_json


def explain(settings: Settings, job_id: str, *, as_json: bool) -> ExitCode:
    """Print the graph of a job's answer: a line for each thing, with what it comes from."""
    check_id(job_id)

    async def run(connection: Connection) -> ExitCode:
        request = ExplainJobRequest(job_id=job_id)
        response = await again(lambda: connection.jobs.ExplainJob(request, metadata=connection.metadata))
        if as_json:
            click.echo(wire_json.to_line(response))
            return ExitCode.ANSWERED
        for node in response.nodes:
            kind = ExplanationKind.Name(node.kind).removeprefix("EXPLANATION_KIND_").replace("_", " ").lower()
            click.echo(f"{kind:<9}  {wording.plain(node.node_id)}: {wording.plain(node.text)}")
            if node.from_node_ids:
                click.echo(f"           from {', '.join(wording.plain(source) for source in node.from_node_ids)}")
        return ExitCode.ANSWERED

    return connected(settings, run)


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
