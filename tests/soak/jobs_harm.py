"""What is done to the processes of a site while jobs are in work."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Collection
from random import Random

from tests.bench.jobs_world import Site
from tests.contract.scripted_peers import Script
from tests.soak.jobs_callers import Callers

# Of the kills under load past one machine: the process that answers calls.
_SERVERS_SHARE = 0.2


async def kill_at_each_call(site: Site, script: Script, callers: Callers, only: Collection[int] | None = None) -> int:
    """Run a job for each call that a job makes, and kill who works on it when that call comes; return how many.

    With an action on record, what came of the one before is, too; so these are all the boundaries between its steps.

    Args:
      only: the numbers of the calls, from 1; None for each.
    """
    at = reached = killed = 0
    made: asyncio.Future[str]
    replacing: list[asyncio.Task[None]] = []

    async def replace(job_id: str) -> None:
        if site.backing is None:
            await site.kill_server()
            await site.start_server()
        else:
            await site.kill_worker(await site.worker_of(job_id))
            await site.add_worker()

    async def kill(_: str) -> None:
        nonlocal reached, killed
        reached += 1
        if reached == at:
            killed += 1
            replacing.append(asyncio.create_task(replace(await made)))
            await asyncio.shield(replacing[-1])  # with its caller this call ends, too

    usual, script.before = script.before, kill
    try:
        while True:
            at, reached = at + 1, 0
            if only is not None and at not in only:
                if at > max(only):
                    return killed
                continue
            made = asyncio.get_running_loop().create_future()
            await callers.see_through(made)
            if reached < at:
                return killed
            await asyncio.gather(*replacing)
    finally:
        script.before = usual


async def kill_workers(site: Site, random: Random, count: int) -> None:
    """Kill workers at random moments, each replaced, and sometimes the server; one worker lives at any time."""
    most = len(site.workers)
    replacing: set[asyncio.Task[int]] = set()
    for _ in range(count):
        await asyncio.sleep(random.uniform(0.2, 1.2))
        if random.random() < _SERVERS_SHARE:
            await site.kill_server()
            await site.start_server()
            continue
        while len(replacing) >= most - 1:
            await asyncio.wait(replacing, return_when=asyncio.FIRST_COMPLETED)
            replacing = {task for task in replacing if not task.done()}
        await site.kill_worker(random.choice(site.working))
        replacing.add(asyncio.create_task(site.add_worker()))
    await asyncio.gather(*replacing)


async def kill_server(site: Site, random: Random, count: int) -> None:
    """Kill the server, which works on the jobs itself, at random moments, and start it again each time."""
    for _ in range(count):
        await asyncio.sleep(random.uniform(0.1, 2.0))
        await site.kill_server()
        await site.start_server()


async def freeze_workers(site: Site, random: Random, count: int) -> None:
    """Stop a worker and let it go on, before its lease is over or after."""
    for _ in range(count):
        await asyncio.sleep(random.uniform(0.1, 0.5))
        pid = random.choice(site.working)
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(random.uniform(0.3, 4.0))
        os.kill(pid, signal.SIGCONT)


async def restart_backing(site: Site, random: Random, count: int) -> None:
    """Kill Redis and PostgreSQL in turn, and start them again a moment later."""
    assert site.backing is not None
    for _ in range(count):
        await asyncio.sleep(random.uniform(0.2, 1.0))
        site.backing.redis.kill()
        await asyncio.sleep(random.uniform(0.2, 1.5))
        site.backing.redis.start()
        await asyncio.sleep(random.uniform(0.2, 1.0))
        await asyncio.to_thread(site.backing.postgres.stop)
        await asyncio.sleep(random.uniform(0.0, 0.5))
        await asyncio.to_thread(site.backing.postgres.start)


async def restart_files(site: Site, random: Random, count: int) -> None:
    """Kill the files server, and where there is one the S3 server behind it, and start them again a moment later."""
    objects = site.backing.objects if site.backing else None
    for _ in range(count):
        await asyncio.sleep(random.uniform(0.5, 1.5))
        await site.kill_files()
        await asyncio.sleep(random.uniform(0.0, 1.0))
        await site.start_files()
        if objects is not None:
            await asyncio.sleep(random.uniform(0.2, 1.0))
            await asyncio.to_thread(objects.stop)
            await asyncio.sleep(random.uniform(0.2, 1.5))
            await asyncio.to_thread(objects.start)
