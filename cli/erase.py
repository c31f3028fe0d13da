"""`loupe erase`: everything of one owner, gone for good, with the proofs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import click
import grpc

from cli.config import Settings
from cli.connection import Connection, failure
from cli.errors import ExitCode
from cli.jobs import connected
from cli.wording import counted
from loupe.files.v1.files_pb2 import EraseOwnerRequest as EraseFilesRequest
from loupe.orchestrator.v1.control_pb2 import EraseOwnerRequest as EraseJobsRequest
from loupe.router.v1.router_pb2 import EraseOwnerRequest as EraseAsksRequest
from loupe.router.v1.router_service_pb2_grpc import RouterServiceStub
from servers.kit import wire_json

_Part = Callable[[Connection, str, list[str]], Awaitable[list[str]]]
"""Erases what one server has of an owner, takes a line for each proof as it comes, and returns what to say of it."""


def erase(settings: Settings, owner: str, proofs: Path | None) -> ExitCode:
    """Erase an owner's jobs, then their files and their name in the ledger, and write a line of JSON for each proof.

    A server that is away keeps the others from nothing, but the command fails: what is left is told. Safe to repeat.
    """
    lines: list[str] = []

    async def run(connection: Connection) -> ExitCode:
        # Jobs first: one in work would make files anew, and ask models.
        parts: tuple[tuple[str, _Part], ...] = (
            ("the jobs", _erase_jobs),
            ("the files", _erase_files),
            ("what the router knows", _erase_asks),
        )
        left = []
        for what, part in parts:
            try:
                for told in await part(connection, owner, lines):
                    click.echo(f"{owner}: {told}")
            except grpc.aio.AioRpcError as error:
                left.append(what)
                click.echo(f"loupe: {failure(error, f'{what} of {owner}').message}", err=True)
        if not left:
            return ExitCode.ANSWERED
        click.echo(f"loupe: not all of {owner} is erased: the same command again goes on with what is left", err=True)
        return ExitCode.FAILED

    code = connected(settings, run)
    if proofs:
        proofs.write_text("".join(f"{line}\n" for line in lines))
    return code


async def _erase_jobs(connection: Connection, owner: str, lines: list[str]) -> list[str]:
    job_count = 0
    async for erased in connection.jobs.EraseOwner(EraseJobsRequest(owner=owner), metadata=connection.metadata):
        lines.extend(wire_json.to_line(job) for job in erased.jobs.jobs)
        job_count += erased.total.job_count
    return [f"{counted(job_count, 'job')} erased"]


async def _erase_files(connection: Connection, owner: str, lines: list[str]) -> list[str]:
    file_count = kept_count = 0
    async for erased in connection.file_service.EraseOwner(
        EraseFilesRequest(owner=owner), metadata=connection.metadata
    ):
        lines.extend(wire_json.to_line(file) for file in erased.files.files)
        file_count += erased.total.file_count
        kept_count += erased.total.kept_count
    told = [f"{counted(file_count, 'file')} erased"]
    if kept_count:
        told.append(f"the bytes of {kept_count} stay: another owner has the same, or the next sweep takes them")
    return told


async def _erase_asks(connection: Connection, owner: str, lines: list[str]) -> list[str]:
    router = RouterServiceStub(connection.channel)
    ask_count = 0
    async for erased in router.EraseOwner(EraseAsksRequest(owner=owner), metadata=connection.metadata):
        lines.extend(wire_json.to_line(asks) for asks in erased.ledger.asks)
        ask_count += erased.total.ask_count
    return [f"taken off {counted(ask_count, 'ask')} of models, whose amounts stay"]
