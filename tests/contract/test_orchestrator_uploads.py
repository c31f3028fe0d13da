"""Old uploads go, and jobs are made that name them: whoever is first, no job misses its input for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import grpc
import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from loupe.files.v1.files_pb2 import (
    DeleteFileRequest,
    DeleteFileResponse,
    ListOldUploadsRequest,
    ListOldUploadsResponse,
    OldUpload,
)
from loupe.orchestrator.v1.orchestrator_pb2 import Ancestry, AncestryKind, Job, JobSpec
from loupe.type.v1.access_pb2 import Role
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.kit import identity
from servers.kit.database import migrate, open_database, transaction
from servers.kit.errors import NotFound
from servers.kit.identity import Caller
from servers.kit.metrics import Counts
from servers.orchestrator import journal as journal_module
from servers.orchestrator import retention as retention_module
from servers.orchestrator import uploads
from servers.orchestrator.journal import Journal, Waiting
from servers.orchestrator.peers import Peers
from servers.orchestrator.removal import Removal
from servers.orchestrator.retention import Retention
from servers.orchestrator.tables import LEAVING_UPLOADS, NAMED_UPLOADS
from servers.orchestrator.tails import Tails

MIGRATIONS = Path(journal_module.__file__).parent / "migrations"
A, B, C = (f"file_{letter * 26}" for letter in "abc")


def room(_waiting: Waiting) -> None:
    """There is always room."""


class Records:
    """The records of one orchestrator, as its parts use them."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.journal = Journal(engine, Tails())
        self.removal = Removal(engine)

    async def make(self, *file_ids: str, ancestry: Ancestry | None = None) -> Job:
        spec = JobSpec(question="What is the total?", inputs=[FileRef(file_id=file_id) for file_id in file_ids])
        job, _ = await self.journal.create("ann", "", spec, admit=room, deadline_s=60, ancestry=ancestry)
        return job

    async def count(self, table: str) -> int:
        async with transaction(self.engine) as connection:
            return int(await connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


@pytest.fixture
async def records(database: Any) -> AsyncIterator[Records]:
    async with asyncio.timeout(60), open_database(database, MIGRATIONS) as engine:
        yield Records(engine)


async def test_an_upload_goes_unless_a_job_names_it_and_then_no_job_may(records):
    job = await records.make(A, A, B)
    assert await records.removal.let_go([A, B, C]) == [C]
    with pytest.raises(NotFound, match=f"there is no file {C}"):
        await records.make(A, C)
    assert await records.count("jobs") == 1
    fork = Ancestry(job_id=job.job_id, kind=AncestryKind.ANCESTRY_KIND_FORK)
    await records.make(A, B, ancestry=fork)
    assert await records.removal.let_go([]) == []
    await records.removal.erase_some("ann", 9)
    assert await records.count("named_uploads") == 0
    assert sorted(await records.removal.let_go([A, B, C])) == [A, B, C]


async def test_what_did_not_go_may_be_named_again_after_a_day(records):
    assert await records.removal.let_go([A, B]) == [A, B]
    async with transaction(records.engine) as connection:
        then = await journal_module.clock(connection) - uploads.LEAVE_FOR - timedelta(seconds=1)
        await connection.execute(update(LEAVING_UPLOADS).values(leave_time=then))
    assert await records.removal.let_go([B]) == [B]
    await records.make(A)
    with pytest.raises(NotFound):
        await records.make(B)


async def test_jobs_made_and_uploads_let_go_at_once_never_both_win(records):
    """In turns on SQLite; on PostgreSQL from connections of their own, as several processes do it."""
    names = [f"file_{number:026d}" for number in range(24)]

    async def make(file_id: str) -> bool:
        try:
            await records.make(file_id)
        except NotFound:
            return False
        return True

    made, went = await asyncio.gather(
        asyncio.gather(*(make(name) for name in names)),
        asyncio.gather(*(records.removal.let_go([name]) for name in reversed(names))),
    )
    gone = {name for each in went for name in each}
    has_job = {name for name, is_made in zip(names, made, strict=True) if is_made}
    assert gone.isdisjoint(has_job)
    assert gone | has_job == set(names)
    async with transaction(records.engine) as connection:
        assert set((await connection.scalars(select(NAMED_UPLOADS.c.file_id))).all()) == has_job


class OldFiles:
    """A files server with old uploads, all of ann's, that refuses to delete some."""

    def __init__(self, *file_ids: str) -> None:
        self.left = list(file_ids)
        self.refused: set[str] = set()

    async def ListOldUploads(self, request: ListOldUploadsRequest) -> ListOldUploadsResponse:
        after = [file_id for file_id in self.left if file_id > request.page_token]
        page = after[: request.page_size]
        more = page[-1] if len(after) > len(page) else ""
        uploads = [OldUpload(file_id=file_id, owner="ann") for file_id in page]
        return ListOldUploadsResponse(uploads=uploads, next_page_token=more)

    async def DeleteFile(self, request: DeleteFileRequest) -> DeleteFileResponse:
        assert identity.caller() == Caller("ann", Role.ROLE_ANALYST)
        assert request.HasField("uploaded_before")
        if request.file_id in self.refused:
            raise grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, grpc.aio.Metadata(), grpc.aio.Metadata())
        self.left.remove(request.file_id)
        return DeleteFileResponse()


async def test_a_round_is_bounded_goes_on_behind_the_last_and_begins_anew_after_the_end(records, monkeypatch):
    monkeypatch.setattr(retention_module, "_PAGE", 2)
    monkeypatch.setattr(retention_module, "_MOST_UPLOADS", 4)
    names = [f"file_{number:026d}" for number in range(10)]
    files = OldFiles(*names)
    await records.make(names[0], names[1])
    await records.make(names[5])
    retention = Retention(
        records.removal,
        cast(Peers, SimpleNamespace(file_records=files)),
        Counts("orchestrator"),
        keep_days=0,
        keep_uploads_days=30,
        tidy_after_s=60,
        every_s=3600,
    )
    assert await retention.uploads() == 2
    assert files.left == [*names[:2], *names[4:]]
    files.refused = {names[4]}
    with pytest.raises(grpc.aio.AioRpcError):
        await retention.uploads()
    assert await retention.uploads() == 4  # behind what could not go
    assert files.left == [*names[:2], *names[4:6]]
    files.refused = set()
    assert await retention.uploads() == 1
    assert files.left == [*names[:2], names[5]]
    assert await retention.uploads() == 0


async def test_jobs_from_before_name_what_their_specs_and_logs_name(database):
    async with open_database(database, MIGRATIONS) as engine:
        records = Records(engine)
        job = await records.make(A)
        async with engine.begin() as connection:
            step = f"INSERT INTO steps (job_id, sequence, body) VALUES ('{job.job_id}', 1, :body)"
            await connection.execute(text(step), {"body": FileRef(file_id=B).SerializeToString()})
            await connection.run_sync(migrate, MIGRATIONS, "0006")
            await connection.run_sync(migrate, MIGRATIONS)
        assert await records.removal.let_go([A, B, C]) == [C]
