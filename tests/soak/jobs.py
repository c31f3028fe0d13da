"""Jobs under harm, and whether each ended as if nothing had been: `python -m tests.soak.jobs --runs 2000 --seed 7`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psutil

from servers.kit.files_client import FilesClient
from tests.bench.jobs_peers import peers_here
from tests.bench.jobs_world import Backing, Site, backings, fresh_home, site
from tests.contract.scripted_peers import Script
from tests.soak import jobs_harm
from tests.soak.jobs_callers import FIRST_FAILS, Callers
from tests.soak.jobs_verdict import verdict

RUNS = 10_000
_CALLERS = 6
_LONGEST_ANSWER_S = 0.03
_SETTLES_WITHIN_S = 30.0
_LONGEST_S = 3600.0
# Allocators keep some; a leak of 1 KiB a job would be 5 MiB.
_GROWTH_MIB = 8.0


@dataclass(frozen=True)
class Volume:
    """How often each thing is done."""

    kills: int
    freezes: int
    restarts: int
    """Of PostgreSQL and Redis."""
    cancels: int
    at_each_call: bool = True
    workers: int = 3
    warm_up: int = 40
    """Jobs after which each pool and each cache has what it will have."""

    @classmethod
    def of(cls, runs: int, *, is_shared: bool) -> Volume:
        """The volumes of a soak of 10,000 runs, or their share."""
        share = runs / RUNS
        kills = round((100 if is_shared else 30) * share)
        return cls(max(3, kills), max(2, round(10 * share)), max(1, round(5 * share)), max(50, runs // 2))


@dataclass(frozen=True)
class Remains:
    """What there is when no job is in work."""

    processes: int
    descriptors: int
    open_calls: int
    """That a worker made of the scripted servers, and still waits for."""
    half_files: int


@dataclass
class Soaked:
    """What came of it."""

    jobs: int = 0
    done: list[str] = field(default_factory=list)
    objections: list[str] = field(default_factory=list)
    before: Remains | None = None
    after: Remains | None = None
    memory_before_mib: float = 0.0
    memory_after_mib: float = 0.0

    @property
    def growth_mib(self) -> float:
        """Memory at the end of the cancelled jobs over that after the first of them."""
        return self.memory_after_mib - self.memory_before_mib


class Answers:
    """Delays each answer of the scripted servers a little, and counts those that are awaited."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.open_calls = 0

    async def before(self, _: str) -> None:
        """Wait, as a server that works does."""
        self.open_calls += 1
        try:
            await asyncio.sleep(self._random.uniform(0, _LONGEST_ANSWER_S))
        finally:
            self.open_calls -= 1


async def soak_jobs(home: Path, backing: Backing | None, volume: Volume, seed: int) -> Soaked:
    """Run jobs while things happen to the processes that do them; then look at each job, and at what is left."""
    soaked, random = Soaked(), Random(seed)
    answers = Answers(random)
    script = Script(failing_sources=FIRST_FAILS, before=answers.before)
    async with peers_here(script) as address, site(home, address, backing, lease_s="2") as it:
        await it.start_server()
        await asyncio.gather(*(it.add_worker() for _ in range(volume.workers if backing else 0)))
        callers = Callers(it, f"soak-{seed}")
        undisturbed = await callers.see_through()
        for name, harm in _harms(it, script, callers, random, volume):
            began = time.monotonic()
            await harm()
            soaked.done.append(f"{name}, {time.monotonic() - began:.0f} s")
        await it.drop_old_channels()
        await callers.cancel_many(max(volume.warm_up, volume.cancels // 10), random, at_once=_CALLERS)
        soaked.before, soaked.memory_before_mib = await _remains(it, answers), _memory_mib(it)
        began = time.monotonic()
        await callers.cancel_many(volume.cancels, random, at_once=_CALLERS)
        soaked.done.append(f"{volume.cancels} cancelled, {time.monotonic() - began:.0f} s")
        soaked.after, soaked.memory_after_mib = await _remains(it, answers, soaked.before), _memory_mib(it)
        soaked.jobs = len(callers.seen.steps)
        async with it.files.channel() as channel:
            wrong = await verdict(it.stub, FilesClient(channel), callers.seen, undisturbed)
        soaked.objections = callers.seen.objections + wrong
    return soaked


def _harms(
    it: Site, script: Script, callers: Callers, random: Random, volume: Volume
) -> list[tuple[str, Callable[[], Coroutine[Any, Any, object]]]]:
    """What is done, in order, each under load but for the first."""

    def under_load(harm: Any, count: int) -> Callable[[], Coroutine[Any, Any, object]]:
        async def harmed() -> None:
            async with callers.busy(_CALLERS):
                await harm(it, random, count)

        return harmed

    if it.backing is None:
        return [(f"killed and started again {volume.kills} times", under_load(jobs_harm.kill_server, volume.kills))]
    harms = [
        (f"{volume.kills} workers killed at random", under_load(jobs_harm.kill_workers, volume.kills)),
        (f"{volume.freezes} workers frozen", under_load(jobs_harm.freeze_workers, volume.freezes)),
        (
            f"PostgreSQL and Redis killed {volume.restarts} times",
            under_load(jobs_harm.restart_backing, volume.restarts),
        ),
    ]
    if volume.at_each_call:
        harms.insert(0, ("a worker killed at each call", lambda: jobs_harm.kill_at_each_call(it, script, callers)))
    return harms


async def _remains(it: Site, answers: Answers, wanted: Remains | None = None) -> Remains:
    """Return what is there once it no longer changes or is what is wanted; after a while, what is there."""
    until = time.monotonic() + _SETTLES_WITHIN_S
    seen: list[Remains] = []
    while time.monotonic() < until:
        seen.append(
            Remains(
                processes=len(psutil.Process().children(recursive=True)),
                descriptors=sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in _pids(it)),  # noqa: PTH208 - names alone
                open_calls=answers.open_calls,
                half_files=len(list((it.home / "files" / "incoming").iterdir())),
            )
        )
        if seen[-1] == wanted or (wanted is None and len(seen) > 20 and len(set(seen[-20:])) == 1):
            break
        await asyncio.sleep(0.1)
    return seen[-1]


def _memory_mib(it: Site) -> float:
    """Return what the server and its workers have written to."""
    lines = [line for pid in _pids(it) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:")) / 1024


def _pids(it: Site) -> list[int]:
    assert it.server is not None
    return [it.server.process.pid, *it.workers]


def report(name: str, soaked: Soaked, seed: int) -> bool:
    """Print what came of it; return whether it is as it must be."""
    is_clean = soaked.before == soaked.after and soaked.growth_mib <= _GROWTH_MIB and not soaked.objections
    sys.stdout.write(
        f"jobs, {name}: {soaked.jobs} accepted, seed {seed}\n"
        + "".join(f"  {what}\n" for what in soaked.done)
        + f"  before: {soaked.before}\n  after:  {soaked.after}\n"
        f"  memory: {soaked.memory_before_mib:.1f} MiB, then {soaked.memory_after_mib:.1f} MiB\n"
        + "".join(f"  otherwise than it must: {text}\n" for text in soaked.objections[:20])
        + ("  each ended as an undisturbed one, nothing is left\n" if is_clean else "  NOT CLEAN\n")
    )
    sys.stdout.flush()
    return is_clean


async def soak_both(runs: int, seed: int, settings: tuple[str, ...] = ("sqlite", "postgresql")) -> bool:
    """Soak each setting in turn; return whether all is as it must be."""
    is_clean = True
    if "sqlite" in settings:
        async with asyncio.timeout(_LONGEST_S), fresh_home() as home:
            is_clean &= report("SQLite", await soak_jobs(home, None, Volume.of(runs, is_shared=False), seed), seed)
    if "postgresql" in settings:
        async with asyncio.timeout(_LONGEST_S), backings() as backing, fresh_home() as home:
            soaked = await soak_jobs(home, backing, Volume.of(runs, is_shared=True), seed)
            is_clean &= report("PostgreSQL + Redis", soaked, seed)
    return is_clean


def main() -> int:
    """Soak; 1 if anything was left or went otherwise than it must."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.jobs", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="jobs that are cancelled; the rest in proportion")
    parser.add_argument("--seed", type=int, default=1, help="what is done, and when (%(default)s)")
    parser.add_argument("--setting", choices=("sqlite", "postgresql"), help="only this one")
    options = parser.parse_args()
    settings = (options.setting,) if options.setting else ("sqlite", "postgresql")
    return 0 if asyncio.run(soak_both(options.runs, options.seed, settings)) else 1


if __name__ == "__main__":
    sys.exit(main())
