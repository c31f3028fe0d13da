"""Records and bytes, kept in step: nothing in use is removed, nothing useless is kept, and what is erased is proved."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from loupe.files.v1.files_pb2 import StoredFile
from servers.files import archive as archive_module
from servers.files.archive import Archive
from servers.files.catalog import Catalog
from servers.files.stores.local import LocalStore, PendingFile
from servers.files.sweep import Sweep
from servers.kit.database import open_database, transaction
from servers.kit.errors import NotFound, RequestIdReused, StorageUnavailable, WrongState
from servers.kit.metrics import Counts

MIGRATIONS = Path(archive_module.__file__).parent / "migrations"
HOUR_S = 3600.0


class World:
    """An archive over a folder."""

    def __init__(self, engine: AsyncEngine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.store = LocalStore(folder)
        self.store.start()
        self.catalog = Catalog(engine)
        self.archive = Archive(self.store, self.catalog, max_bytes=2**20, max_pixels=100)
        self.metrics = InMemoryMetricReader()
        counts = Counts("files", MeterProvider([self.metrics]).get_meter("loupe.files"))
        self.sweep = Sweep(self.store, self.catalog, counts, every_s=HOUR_S, grace_s=HOUR_S)

    async def take(
        self, content: bytes, *, owner: str = "ann", request_id: str = "", job_id: str | None = None
    ) -> StoredFile:
        async def chunks() -> AsyncIterator[bytes]:
            yield content

        return await self.archive.take(
            chunks(), owner=owner, request_id=request_id, file_name="", is_upload=False, job_id=job_id
        )

    def blobs(self) -> set[str]:
        return {path.name for path in self.folder.glob("??/*")}

    async def count(self, table: str) -> int:
        async with transaction(self.engine) as connection:
            return int(await connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
async def world(database: Any, tmp_path: Path) -> AsyncIterator[World]:
    async with asyncio.timeout(60), open_database(database, MIGRATIONS) as engine:
        yield World(engine, tmp_path / "files")


async def test_bytes_stay_as_long_as_anyone_has_them_and_no_longer(world):
    one, two = await world.take(b"same"), await world.take(b"same", owner="ben")
    await world.archive.forget("ann", one.ref.file_id)
    assert world.blobs() == {digest(b"same")}
    with pytest.raises(NotFound):
        await world.archive.forget("ann", two.ref.file_id)
    await world.archive.forget("ben", two.ref.file_id)
    assert world.blobs() == set()
    assert [await world.count(table) for table in ("files", "blobs", "claims")] == [0, 0, 0]


async def test_what_was_stored_for_a_job_is_listed_for_it(world):
    one = "job_" + "1" * 26
    stored = [await world.take(content, job_id=one) for content in (b"a", b"b")]
    await world.take(b"a", owner="ben", job_id=one)
    for job_id in ("job_" + "2" * 26, None):
        await world.take(b"c", job_id=job_id)
    first, token = await world.catalog.page("ann", 1, "", job_id=one)
    second, last = await world.catalog.page("ann", 1, token, job_id=one)
    assert [*first, *second] == stored[::-1]
    assert last == ""
    assert len((await world.catalog.page("ann", 9, ""))[0]) == 4


async def test_uploads_of_all_owners_are_listed_the_oldest_first_and_nothing_that_a_job_made(world):
    stored = [await world.take(f"{number}".encode(), owner=owner) for number, owner in enumerate(("ann", "ben", "ann"))]
    await world.take(b"made", job_id="job_" + "1" * 26)
    young = await world.take(b"young")
    before = young.create_time.ToDatetime()
    first, token = await world.catalog.old_uploads(before, 2, "")
    second, last = await world.catalog.old_uploads(before, 2, token)
    assert [(upload.file_id, upload.owner) for upload in (*first, *second)] == [
        (stored[0].ref.file_id, "ann"),
        (stored[1].ref.file_id, "ben"),
        (stored[2].ref.file_id, "ann"),
    ]
    assert last == ""
    # What went in between is missed by nobody.
    await world.archive.forget("ben", stored[1].ref.file_id, before)
    assert (await world.catalog.old_uploads(before, 2, token))[0] == second
    with pytest.raises(WrongState):
        await world.archive.forget("ann", young.ref.file_id, before)


async def test_the_same_request_many_times_at_once_is_one_file(world):
    made = await asyncio.gather(*(world.take(b"same", request_id="once") for _ in range(8)))
    assert len({stored.ref.file_id for stored in made}) == 1
    with pytest.raises(RequestIdReused):
        await world.take(b"other", request_id="once")
    assert world.blobs() == {digest(b"same")}
    assert await world.count("claims") == 0


async def test_one_request_with_two_contents_at_once_keeps_one_of_them(world):
    made = await asyncio.gather(*(world.take(each, request_id="r") for each in (b"a", b"b")), return_exceptions=True)
    kept = [each for each in made if isinstance(each, StoredFile)]
    assert [type(each) for each in made if not isinstance(each, StoredFile)] == [RequestIdReused]
    assert world.blobs() == {kept[0].ref.sha256}


async def test_uploads_and_deletions_of_one_content_at_once_never_leave_a_file_without_bytes(world):
    async def come_and_go() -> None:
        for _ in range(5):
            stored = await world.take(b"contested")
            assert b"".join([part async for part in world.store.read(stored.ref.sha256, 99)]) == b"contested"
            await world.archive.forget("ann", stored.ref.file_id)

    await asyncio.gather(*(come_and_go() for _ in range(4)), *(world.sweep.once() for _ in range(3)))
    assert world.blobs() == set()
    assert await world.count("blobs") == 0


async def test_an_upload_that_breaks_off_leaves_nothing(world, monkeypatch):
    async def refuse(_self: PendingFile, _sha256: str) -> None:
        raise StorageUnavailable("the file store refused: no space")

    monkeypatch.setattr(PendingFile, "commit", refuse)
    with pytest.raises(StorageUnavailable, match="no space"):
        await world.take(b"lost")
    assert [await world.count(table) for table in ("files", "blobs", "claims")] == [0, 0, 0]


async def test_the_sweep_removes_what_nobody_uses_and_spares_uploads_under_way(world):
    await world.take(b"kept")
    stray = digest(b"stray")
    for content, age_s in ((b"stray", 2 * HOUR_S), (b"new stray", 0.0)):
        async with world.store.create() as pending:
            await pending.append(content)
            await pending.commit(digest(content))
        then = time.time() - age_s
        os.utime(world.store.path(digest(content)), (then, then))
    claim = await world.catalog.claim(digest(b"coming"), 6, for_s=HOUR_S)
    await world.catalog.claim(digest(b"broken off"), 10, for_s=-1.0)
    assert await world.sweep.once() == 2
    assert world.blobs() == {digest(b"kept"), digest(b"new stray")}
    assert stray not in world.blobs()
    assert await world.count("blobs") == 2
    await world.catalog.release(claim)
    assert await world.sweep.once() == 1
    assert [await world.count(table) for table in ("files", "blobs", "claims")] == [1, 1, 0]
    assert swept_by(world) == {"loupe.files.swept": 3}


def swept_by(world: World) -> dict[str, float]:
    """What a collector would be told, by name."""
    data = world.metrics.get_metrics_data()
    assert data is not None
    (resource,) = data.resource_metrics
    (scope,) = resource.scope_metrics
    return {metric.name: point.value for metric in scope.metrics for point in metric.data.data_points}  # type: ignore[union-attr]  # a counter's points have one


async def test_a_deletion_that_the_store_refuses_is_made_up_for_by_the_sweep(world, monkeypatch):
    stored = await world.take(b"sticky")

    async def refuse(_sha256: str) -> None:
        raise StorageUnavailable("the object store is away")

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "delete", refuse)
        await world.archive.forget("ann", stored.ref.file_id)
    assert world.blobs() == {digest(b"sticky")}
    assert await world.sweep.once() == 1
    assert world.blobs() == set()


async def test_an_erased_owner_leaves_a_proof_and_nothing_else(world, monkeypatch):
    monkeypatch.setattr(archive_module, "ERASE_BATCH", 2)
    mine = [await world.take(content) for content in (b"one", b"two", b"two", b"shared", b"five")]
    theirs = await world.take(b"shared", owner="ben")
    await world.archive.erase("ann")
    await world.archive.erase("ann")
    assert world.blobs() == {digest(b"shared")}
    assert (await world.catalog.page("ann", 10, ""))[0] == []
    assert [each.ref.file_id for each in (await world.catalog.page("ben", 10, ""))[0]] == [theirs.ref.file_id]
    proofs = await world.catalog.erased("ann", "", 10)
    assert {proof.file_id for proof in proofs} == {each.ref.file_id for each in mine}
    assert sorted((proof.sha256, proof.size_bytes, proof.is_kept) for proof in proofs) == sorted(
        [
            (digest(b"one"), 3, False),
            (digest(b"two"), 3, False),
            (digest(b"two"), 3, False),
            (digest(b"shared"), 6, True),
            (digest(b"five"), 4, False),
        ]
    )
    assert await world.catalog.erased("ben", "", 10) == []
    async with transaction(world.engine) as connection:
        assert "ann" not in (await connection.scalars(text("SELECT owner_sha256 FROM erased"))).all()
