"""A worker that dies after any step, and another that goes on: the same end, nothing twice, nothing lost."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from loupe.orchestrator.v1.orchestrator_pb2 import Job, JobSpec, JobState, Step
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.kit.config import ServerSettings
from servers.kit.database import open_database
from servers.kit.files_client import FilesClient
from servers.kit.mesh import Mesh
from servers.orchestrator import journal as journal_module
from servers.orchestrator.backlog import Backlog
from servers.orchestrator.bundle import Bundler
from servers.orchestrator.claims import Claims
from servers.orchestrator.coding import Coding
from servers.orchestrator.journal import Journal
from servers.orchestrator.loop import Loop
from servers.orchestrator.peers import Peers
from servers.orchestrator.record import Record
from servers.orchestrator.retries import Recovery
from servers.orchestrator.tails import Tails
from servers.orchestrator.workers import Workers
from tests.contract.orchestrator_world import kinds
from tests.contract.scripted_peers import Script, scripted
from tests.running import running

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIGRATIONS = Path(journal_module.__file__).parent / "migrations"
FIRST_FAILS = Script(failing_sources=frozenset({"print(1)\n"}))
# A run that fails, a repair, a run that does not: every node of the loop but those that ask a person.
WHOLE = [
    *("thought", "read_figures", "seen"),
    *("thought", "write_code", "seen", "review_code", "seen", "run_code", "seen"),
    *("thought", "repair_code", "seen", "review_code", "seen", "run_code", "seen"),
    *("thought", "finish", "draw_overlay", "seen", "answer"),
]


class Mortal(Journal):
    """A journal whose process dies right after it stored a certain step."""

    last = 0

    async def append(
        self, job_id: str, attempt: int | None, *steps: Step, after_sequence: int | None = None
    ) -> list[Step]:
        stored = await super().append(job_id, attempt, *steps, after_sequence=after_sequence)
        if self.last and stored[0].sequence <= self.last <= stored[-1].sequence:
            raise asyncio.CancelledError  # as at the process's end: no word to anyone
        return stored


class Place:
    """What the workers of one database need."""

    def __init__(self, peers: Peers, settings: ServerSettings, path: Path) -> None:
        self.peers = peers
        self.settings = settings
        self.path = path

    @asynccontextmanager
    async def worker(self, *, dies_after: int = 0) -> AsyncIterator[tuple[Backlog, Mortal, Tails]]:
        async with open_database(self.path, MIGRATIONS) as engine:
            tails = Tails()
            journal = Mortal(engine, tails)
            journal.last = dies_after
            record = Record(journal)
            key = self.settings.keys.private("orchestrator")
            coding = Coding(record, self.peers, key, max_artifact_bytes=2**20)
            bundler = Bundler(self.peers.files, self.peers.sandbox, job_limits={})
            loop = Loop(record, self.peers, coding, bundler, max_steps=60, max_repairs=2)
            backlog = Backlog(journal, tails, queue_size=10, owner_queue_size=10, job_deadline_s=60)
            claims = Claims(engine, "a worker", lease_s=5, default_deadline_s=60)
            recovery = Recovery(Mesh("orchestrator", self.settings), within_s=1)
            workers = Workers(journal, backlog, claims, tails, loop, recovery, count=2)
            try:
                await workers.start()
                yield backlog, journal, tails
            finally:
                await workers.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(module_home) -> AsyncIterator[tuple[Script, Peers, ServerSettings, FileRef]]:
    async with running("files", module_home) as file_server, file_server.channel() as channel:
        files = FilesClient(channel)
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8)).save(buffer, "PNG")
        picture = await files.write(buffer.getvalue(), "picture.png", request_id="picture")
        script = Script()
        async with scripted(script, files) as address:
            names = ("vision", "reasoning", "codegen", "critic", "sandbox")
            addresses: dict[str, Any] = {f"LOUPE_{name.upper()}_ADDRESS": address for name in names}
            settings = ServerSettings(
                **{"LOUPE_HOME": str(module_home), "LOUPE_FILES_ADDRESS": file_server.address} | addresses
            )
            settings.keys.ensure(["orchestrator"])
            called = Mesh("orchestrator", settings)
            try:
                yield script, Peers.of(called), settings, picture
            finally:
                await called.close()


async def _ended(journal: Journal, tails: Tails, job_id: str) -> Job:
    with tails.follow(job_id) as grown:
        while True:
            grown.clear()
            job = await journal.get("local", job_id)
            if job.HasField("end_time"):
                return job
            await grown.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def undisturbed(mesh, module_home) -> str:
    """The digest of the bundle of a job whose worker lives."""
    script, peers, settings, picture = mesh
    vars(script).update(vars(FIRST_FAILS))
    place = Place(peers, settings, module_home / "undisturbed.sqlite")
    async with asyncio.timeout(30), place.worker() as (backlog, journal, tails):
        job = await backlog.enqueue("local", "", JobSpec(question="What is the total?", inputs=[picture]))
        ended = await _ended(journal, tails, job.job_id)
    assert ended.state == JobState.JOB_STATE_SUCCEEDED
    return ended.bundle.digest


@pytest.mark.parametrize("dies_after", range(1, len(WHOLE)))
async def test_a_job_whose_worker_dies_after_any_step_ends_as_if_none_had(mesh, undisturbed, tmp_path, dies_after):
    _, peers, settings, picture = mesh
    place = Place(peers, settings, tmp_path / "orchestrator.sqlite")
    async with asyncio.timeout(30):
        async with place.worker(dies_after=dies_after) as (backlog, journal, tails):
            job = await backlog.enqueue("local", "", JobSpec(question="What is the total?", inputs=[picture]))
            with tails.follow(job.job_id) as grown:
                while (await journal.get("local", job.job_id)).last_sequence < dies_after:
                    grown.clear()
                    await grown.wait()
        async with place.worker() as (_, journal, tails):
            ended = await _ended(journal, tails, job.job_id)
            steps = await journal.steps(job.job_id, 0, 100)
    assert kinds(steps) == WHOLE
    assert [step.sequence for step in steps] == list(range(1, len(WHOLE) + 1))
    assert {step.attempt for step in steps} == {1, 2}
    assert ended.bundle.digest == undisturbed
