"""Jobs on both settings: how many and how fast, who watches, who dies, and what happens when too many come.

`python -m tests.bench.jobs [PART...]` measures these alone.

The servers that a job calls answer at once and do nothing, so what is measured is the orchestrator, its records and
the files server, which stores nine files a job. "Workers" are jobs in work at one time: with SQLite in the one process
that there is, with PostgreSQL a process each.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import psutil

from loupe.orchestrator.v1 import orchestrator_pb2 as pb
from loupe.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from tests.bench.jobs_load import offer, run_one, wait_for_each
from tests.bench.jobs_peers import peers, peers_here
from tests.bench.jobs_watchers import watch_latencies
from tests.bench.jobs_world import Backing, Site, backings, fresh_home, site
from tests.bench.table import Row, print_table, timing
from tests.bench.world import world
from tests.contract.scripted_peers import Script

PARTS = ("mesh", "rate", "watch", "recovery", "overload")
WORKERS = (1, 2, 4)
CALLERS = 8
SECONDS = 5.0
WARM_S = 1.5
_MESH_S = 8.0
_MESH_WARM_S = 4.0
WATCHERS = (1, 100, 1000)
# Longer than it takes to tell a thousand watchers of a step.
_WATCHED_PAUSE_S = 0.6
_KILLS = {"SQLite": 3, "PostgreSQL + Redis": 4}
_OVERLOAD = 3.0
_OVERLOAD_S = 10.0
# Jobs that may wait: fewer than come while it is measured.
_ROOM = "16"
_FULL_AFTER_S = 3.0


async def jobs(parts: tuple[str, ...] = PARTS) -> list[Row]:
    """Measure the parts on each setting in turn."""
    measures = {"rate": _rates, "watch": _watching, "recovery": _recovery, "overload": _overload}
    rows = await _mesh() if "mesh" in parts else []
    async with backings() as backing:
        for part in (part for part in parts if part in measures):
            for name, keeps in (("SQLite", None), ("PostgreSQL + Redis", backing)):
                rows += await measures[part](name, keeps)
    return rows


async def _mesh() -> list[Row]:
    """Whole jobs with the built-in engines, through a mesh as `loupe up` starts it."""
    rows = []
    async with world({"LOUPE_ORCHESTRATOR_WORKER_COUNT": str(WORKERS[-1])}) as it:
        stub, spec = OrchestratorServiceStub(it.envoy), pb.JobSpec(question="What is the total?", inputs=[it.picture])
        await wait_for_each(stub, spec, callers=WORKERS[-1], seconds=_MESH_WARM_S)
        for count in WORKERS:
            flow = await wait_for_each(stub, spec, callers=count, seconds=_MESH_S)
            rows.append(Row(f"built-in engines, {count} jobs at a time", f"{flow.jobs_per_s:.2f} jobs/s"))
            rows.append(timing(f"built-in engines, {count} jobs at a time: accepted to ended", flow.took_s, tail=99))
    return rows


@asynccontextmanager
async def _quick(keeps: Backing | None, pause_s: float = 0.0, **settings: str) -> AsyncIterator[Site]:
    async with fresh_home() as home, peers(pause_s) as address, site(home, address, keeps, **settings) as it:
        yield it


async def _rates(name: str, keeps: Backing | None) -> list[Row]:
    rows = []
    async with _quick(keeps) as it:
        for count in WORKERS:
            await _with_workers(it, count)
            await wait_for_each(it.stub, it.spec(), callers=CALLERS, seconds=WARM_S)
            spent = _cpu_s(it)
            flow = await wait_for_each(it.stub, it.spec(), callers=CALLERS, seconds=SECONDS)
            cpu = [1000 * (after - before) / len(flow.took_s) for before, after in zip(spent, _cpu_s(it), strict=True)]
            note = f"{CALLERS} callers; CPU a job: orchestrator {cpu[0]:.0f} ms, files {cpu[1]:.0f} ms"
            rows.append(Row(f"{name}, {count} workers: jobs", f"{flow.jobs_per_s:.1f} /s", note))
            rows.append(timing(f"{name}, {count} workers: accepted to ended", flow.took_s, tail=99))
        alone = [await run_one(it.stub, it.spec()) for _ in range(40)]
        rows.append(timing(f"{name}: one job alone", [took for took, _ in alone], tail=99))
        first = [first for _, first in alone]
        rows.append(timing(f"{name}: accepted to its first step", first, "aim: p50 20 ms", tail=99))
    return rows


def _cpu_s(it: Site) -> tuple[float, float]:
    """CPU time spent by the orchestrator with its workers, and by the files server."""
    assert it.server is not None
    times = [psutil.Process(pid).cpu_times() for pid in (it.server.process.pid, *it.workers)]
    files = psutil.Process(it.files.process.pid).cpu_times()
    return sum(spent.user + spent.system for spent in times), files.user + files.system


async def _with_workers(it: Site, count: int) -> None:
    """Have `count` jobs in work at one time."""
    if it.backing is None:
        await it.stop_server()
        await it.start_server(worker_count=str(count))
        return
    if it.server is None:
        await it.start_server()
    while len(it.workers) < count:
        await it.add_worker(worker_count="1")


async def _watching(name: str, keeps: Backing | None) -> list[Row]:
    rows = []
    async with _quick(keeps, _WATCHED_PAUSE_S, max_concurrent_streams="2000") as it:
        await _with_workers(it, 1)
        assert it.server is not None
        for count in WATCHERS:
            job = (await it.stub.CreateJob(pb.CreateJobRequest(spec=it.spec()))).job
            took = await watch_latencies(it.server.address, it.server.key, job.job_id, count)
            what = f"{name}, {count} watchers: a step from stored to seen"
            rows.append(timing(what, took, tail=99) if took else Row(what, "not measured: the job ended first"))
    return rows


async def _recovery(name: str, keeps: Backing | None) -> list[Row]:
    """From kill -9 of who works on a job until the call that it was at is made again."""
    script, random = Script(), Random(1)
    took = []
    async with fresh_home() as home, peers_here(script) as address, site(home, address, keeps) as it:
        await _with_workers(it, 2)
        for _ in range(_KILLS[name]):
            called: asyncio.Queue[float] = asyncio.Queue()
            is_over = asyncio.Event()
            script.before = _held(called, is_over)
            job = (await it.stub.CreateJob(pb.CreateJobRequest(spec=it.spec()))).job
            await called.get()
            await asyncio.sleep(random.uniform(0, 2))  # anywhere between two signs of life
            killed = time.perf_counter()
            if keeps is None:
                await it.kill_server()
                await it.start_server(worker_count="2")
            else:
                await it.kill_worker(await it.worker_of(job.job_id))
            took.append(await called.get() - killed)
            is_over.set()
            async for _ in it.stub.WatchJob(pb.WatchJobRequest(job_id=job.job_id)):
                pass
            if keeps is not None:
                await _with_workers(it, 2)
    note = "its lease of 5 s is over, aim: 10 s" if keeps else "the process started again, aim: 10 s"
    return [timing(f"{name}: kill -9 of a worker to its call made again", took, note, tail=100)]


def _held(called: asyncio.Queue[float], is_over: asyncio.Event) -> Any:
    async def before(call: str) -> None:
        if call == "AnalyzeImage":
            called.put_nowait(time.perf_counter())
            await is_over.wait()

    return before


async def _overload(name: str, keeps: Backing | None) -> list[Row]:
    """What ends a second when as many callers wait as there is room for, and when three times as many jobs come."""
    async with _quick(keeps, queue_size=_ROOM, owner_queue_size=_ROOM) as it:
        await _with_workers(it, 2)
        stub, spec = it.stub, it.spec()
        await wait_for_each(stub, spec, callers=CALLERS, seconds=WARM_S)
        # Before and after: a machine that has other work gives now more, now less.
        before = (await wait_for_each(stub, spec, callers=CALLERS, seconds=SECONDS)).jobs_per_s
        offered = await offer(stub, spec, rate=_OVERLOAD * before, seconds=_OVERLOAD_S, full_after_s=_FULL_AFTER_S)
        after = (await wait_for_each(stub, spec, callers=CALLERS, seconds=SECONDS)).jobs_per_s
        peak = (before + after) / 2
    if offered.answered_otherwise:
        raise SystemExit(f"refused otherwise than it must: {offered.answered_otherwise[:3]}")
    what = f"{name}, 2 workers: jobs ended at {_OVERLOAD:.0f}x of what it can"
    rate = f"{offered.ended_per_s:.1f} /s of {peak:.1f} /s"
    note = f"{rate}, {offered.refused} refused, each told when to come; aim: 0.95"
    return [Row(what, f"{offered.ended_per_s / peak:.2f} of its peak", note)]


if __name__ == "__main__":
    if unknown := set(sys.argv[1:]) - set(PARTS):
        raise SystemExit(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    print_table(asyncio.run(jobs(tuple(sys.argv[1:]) or PARTS)))
