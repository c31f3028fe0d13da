"""A worker whose network is cut, with nobody told: another takes its job, it changes nothing late, and serves again."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio

from loupe.orchestrator.v1.orchestrator_pb2 import JobState
from servers.kit.files_client import FilesClient
from tests.contract.cluster_world import Cluster, cluster
from tests.contract.orchestrator_world import kinds
from tests.contract.scripted_peers import Script
from tests.network import Network, network
from tests.object_store import ObjectStore
from tests.postgres import PostgresServer
from tests.redis_server import RedisServer
from tests.running import Running, running

WHOLE = [
    *("thought", "read_figures", "seen"),
    *("thought", "write_code", "seen", "review_code", "seen", "run_code", "seen"),
    *("thought", "finish", "draw_overlay", "seen", "answer"),
]
WITHIN_S = 150.0


@dataclass
class Far:
    """What is behind the cable: a worker, and the files server that it uses."""

    worker: int
    files: Running


@dataclass
class Halves:
    """Everything else here, and them there."""

    it: Cluster
    net: Network
    far: Far


@pytest_asyncio.fixture
async def halves(home: Path) -> AsyncIterator[Halves]:
    with network() as net:
        postgres, redis, objects = PostgresServer(net.here), RedisServer(net.here), ObjectStore(net.also_here)
        try:
            for server in (postgres, redis, objects):
                server.start()
            url = postgres.new_database()
            storage = {"LOUPE_DATABASE_URL": url, "LOUPE_FILES_S3_RETRY_S": "0.5", **objects.environment()}
            near = cluster(home, Script(), url, redis.url, workers=0, host=net.here, storage=storage)
            async with near as it:
                far_home = home / "far"
                shutil.copytree(home / "keys", far_home / "keys")
                far_files = running("files", far_home, storage, listen=f"{net.there}:0", entering=net.entering)
                async with far_files as files:
                    worker = await it.add_worker(*net.entering, LOUPE_FILES_ADDRESS=files.address)
                    yield Halves(it, net, Far(worker, files))
                    await it.end(worker)
        finally:
            for remove in (objects.stop, redis.remove, postgres.remove):
                remove()


async def told(log: Path, message: str, condition: str) -> None:
    """Wait until a process has told of a condition."""
    wanted = {"message": message, "condition": condition}

    def is_told() -> bool:
        lines = log.read_text().rpartition("\n")[0].splitlines()  # whole ones
        return any(wanted.items() <= json.loads(line).items() for line in lines)

    while not is_told():  # noqa: ASYNC110 - a file
        await asyncio.sleep(0.1)


async def test_a_worker_that_is_cut_off_loses_its_job_changes_nothing_and_serves_again(halves):
    it, net, far = halves.it, halves.net, halves.far
    log = it.logs[far.worker]
    async with asyncio.timeout(WITHIN_S):
        undisturbed, steps = await it.ended((await it.create()).job_id)
        assert kinds(steps) == WHOLE

        it.script.hang = asyncio.Event()
        it.script.run_began.clear()
        job = await it.create()
        await it.script.run_began.wait()
        net.cut()
        near = await it.add_worker()
        while await it.worker_of(job.job_id) != near:  # noqa: ASYNC110 - a row of a database
            await asyncio.sleep(0.1)
        it.script.hang.set()
        job, steps = await it.ended(job.job_id)
        assert job.state == JobState.JOB_STATE_SUCCEEDED
        assert kinds(steps) == WHOLE
        assert [step.sequence for step in steps] == list(range(1, len(WHOLE) + 1))
        assert {step.attempt for step in steps} == {1, 2}
        assert job.bundle.digest == undisturbed.bundle.digest

        for condition in ("database_away", "redis_away"):
            await told(log, "condition began", condition)
        net.mend()
        for condition in ("database_away", "redis_away"):
            await told(log, "condition ended", condition)
        first = (job, steps)

        await it.end(near)
        job, steps = await it.ended((await it.create()).job_id)
        assert await it.worker_of(job.job_id) == far.worker
        assert (kinds(steps), job.attempt, job.bundle.digest) == (WHOLE, 1, undisturbed.bundle.digest)

        net.cut(net.also_here)  # the object store alone
        job, steps = await it.ended((await it.create()).job_id)
        assert (kinds(steps), job.attempt, job.bundle.digest) == (WHOLE, 1, undisturbed.bundle.digest)
        await told(far.files.log, "condition began", "object_store_away")
        net.mend()
        await told(far.files.log, "condition ended", "object_store_away")
        async with it.files.channel() as channel:  # at the other files server, from the object store
            for file in job.bundle.files:
                assert len(await FilesClient(channel).read(file.file)) == file.file.size_bytes
        assert await it.ended(first[0].job_id) == first
