"""`loupe erase`: everything of one owner, gone for good, with the proofs."""

from __future__ import annotations

from pathlib import Path

import click

from cli.config import Settings
from cli.connection import Connection
from cli.errors import ExitCode
from cli.jobs import connected
from loupe.files.v1.files_pb2 import EraseOwnerRequest as EraseFilesRequest
from loupe.orchestrator.v1.control_pb2 import EraseOwnerRequest as EraseJobsRequest
from servers.kit import wire_json


def erase(settings: Settings, owner: str, proofs: Path | None) -> ExitCode:
    """Erase an owner's jobs, then their files, and write a line of JSON for each proof. Safe to repeat."""
    lines: list[str] = []

    async def run(connection: Connection) -> ExitCode:
        # Jobs first: one in work would make files anew.
        job_count = file_count = kept_count = 0
        erased_jobs = connection.jobs.EraseOwner(EraseJobsRequest(owner=owner), metadata=connection.metadata)
        async for of_jobs in erased_jobs:
            lines.extend(wire_json.to_line(job) for job in of_jobs.jobs.jobs)
            job_count += of_jobs.total.job_count
        erased_files = connection.file_service.EraseOwner(EraseFilesRequest(owner=owner), metadata=connection.metadata)
        async for of_files in erased_files:
            lines.extend(wire_json.to_line(file) for file in of_files.files.files)
            file_count += of_files.total.file_count
            kept_count += of_files.total.kept_count
        click.echo(f"{owner}: {job_count} jobs and {file_count} files are erased")
        if kept_count:
            click.echo(f"the bytes of {kept_count} stay: another owner has the same, or the next sweep takes them")
        return ExitCode.ANSWERED

    code = connected(settings, run)
    if proofs:
        proofs.write_text("".join(f"{line}\n" for line in lines))
    return code
