"""Jobs under harm, and whether each ended as if nothing had been: `python -m tests.soak.jobs --seed 7`.

By itself the whole volume at both settings; `--kills 10 --cancels 500` for a part of it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psutil

from loupe.orchestrator.v1.orchestrator_pb2 import JobState
from servers.kit.files_client import FilesClient
from tests.bench.jobs_peers import peers_here
from tests.bench.jobs_world import Backing, Site, backings, fresh_home, site
from tests.contract.scripted_peers import Script
from tests.soak import jobs_harm
from tests.soak.jobs_callers import FIRST_FAILS, Callers, busy
from tests.soak.jobs_verdict import verdict

KILLS = 100
CANCELS = 10_000
_CALLERS = 6
# Fewer than that: a job that is cancelled should have begun.
_CANCELLERS = 4
_LONGEST_ANSWER_S = 0.03
_SETTLES_WITHIN_S = 30.0
_LONGEST_S = 7200.0
"""Of one setting; a soak that takes longer hangs, and fails."""
_QUARTERS = 4
# Of the second half of the cancelled jobs: by then pools, caches and arenas have what they will have. A leak of 1 KiB a
# job, in whichever process, would be 5 MiB.
_GROWTH_MIB = 4.0


@dataclass(frozen=True)
class Volume:
    """How often each thing is done."""

    kills: int
    """At random, under load."""
    freezes: int
    restarts: int
    """Of PostgreSQL and Redis, and of the files server and S3."""
    cancels: int
    at_calls: Collection[int] | None = None
    """Numbers of a job's calls at which it is killed; None for each."""
    workers: int = 3
    warm_up: int = 40
    """Jobs after which each pool and each cache has what it will have."""

    @classmethod
    def of(cls, kills: int, cancels: int) -> Volume:
        """So many kills and cancels, and of the rest as many as go with them."""
        return cls(kills, freezes=max(1, kills // 10), restarts=max(1, kills // 20), cancels=cancels)


@dataclass(frozen=True)
class Remains:
    """What there is when no job is in work."""

    processes: int
    descriptors: int
    open_calls: int
    """That a worker made of the scripted servers, and still waits for."""
    half_files: int

    def adds_nothing_to(self, before: Remains) -> bool:
        """Whether nothing was left since; a connection fewer, as one that nobody used, is no fault."""
        return (
            self.processes == before.processes
            and self.descriptors <= before.descriptors
            and self.open_calls <= before.open_calls
            and self.half_files <= before.half_files
        )


@dataclass
class Soaked:
    """What came of it."""

    ended: Counter[str] = field(default_factory=Counter)
    """Jobs by how they ended."""
    cancelled_after: Counter[int] = field(default_factory=Counter)
    """Cancelled jobs by how many steps they had made."""
    done: list[str] = field(default_factory=list)
    objections: list[str] = field(default_factory=list)
    before: Remains | None = None
    after: Remains | None = None
    memory_mib: list[float] = field(default_factory=list)
    """Of all processes together, before the cancelled jobs and after each quarter of them."""

    @property
    def growth_mib(self) -> float:
        """What the second half of the cancelled jobs added."""
        return self.memory_mib[-1] - self.memory_mib[_QUARTERS // 2]


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
            _note(soaked, f"{name}, {time.monotonic() - began:.0f} s")
        await it.drop_old_channels()
        await callers.cancel_many(max(volume.warm_up, volume.cancels // 10), random, at_once=_CANCELLERS)
        soaked.before = soaked.after = await _remains(it, answers)
        soaked.memory_mib.append(_memory_mib(it))
        began = time.monotonic()
        for quarter in range(_QUARTERS):
            count = volume.cancels * (quarter + 1) // _QUARTERS - volume.cancels * quarter // _QUARTERS
            await callers.cancel_many(count, random, at_once=_CANCELLERS)
            soaked.after = await _remains(it, answers, soaked.before)
            soaked.memory_mib.append(_memory_mib(it))
        _note(soaked, f"{volume.cancels} jobs cancelled at random, {time.monotonic() - began:.0f} s")
        async with it.files.channel() as channel:
            wrong = await verdict(it.stub, FilesClient(channel), callers.seen, undisturbed)
        soaked.objections = callers.seen.objections + wrong
        for steps in callers.seen.steps.values():
            state = steps[-1].job_state if steps else JobState.JOB_STATE_UNSPECIFIED
            soaked.ended[JobState.Name(state).removeprefix("JOB_STATE_")] += 1
            if state == JobState.JOB_STATE_CANCELLED:
                soaked.cancelled_after[len(steps) - 1] += 1
    return soaked


def _note(soaked: Soaked, text: str) -> None:
    soaked.done.append(text)
    sys.stderr.write(f"  {text}\n")
    sys.stderr.flush()


def _harms(
    it: Site, script: Script, callers: Callers, random: Random, volume: Volume
) -> list[tuple[str, Callable[[], Coroutine[Any, Any, object]]]]:
    """What is done, in order, each under load but for the first."""

    def under_load(harm: Any, count: int) -> Callable[[], Coroutine[Any, Any, object]]:
        async def harmed() -> None:
            async with busy(callers.see_through, _CALLERS):
                await harm(it, random, count)

        return harmed

    async def kill_at_calls() -> None:
        await jobs_harm.kill_at_each_call(it, script, callers, volume.at_calls)

    files = f"the files server{' and the S3 server' if it.backing else ''} killed {volume.restarts} times"
    at_calls = "each call" if volume.at_calls is None else f"call {', '.join(map(str, sorted(volume.at_calls)))}"
    harms = [(f"killed at {at_calls} of a job", kill_at_calls)] if volume.at_calls != () else []
    if it.backing is None:
        return [
            *harms,
            (f"killed and started again {volume.kills} times", under_load(jobs_harm.kill_server, volume.kills)),
            (files, under_load(jobs_harm.restart_files, volume.restarts)),
        ]
    return [
        *harms,
        (f"{volume.kills} workers and servers killed at random", under_load(jobs_harm.kill_workers, volume.kills)),
        (f"{volume.freezes} workers frozen", under_load(jobs_harm.freeze_workers, volume.freezes)),
        (
            f"PostgreSQL and Redis killed {volume.restarts} times",
            under_load(jobs_harm.restart_backing, volume.restarts),
        ),
        (files, under_load(jobs_harm.restart_files, volume.restarts)),
    ]


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
    assert soaked.before is not None
    assert soaked.after is not None
    leaves_nothing = soaked.after.adds_nothing_to(soaked.before) and soaked.growth_mib <= _GROWTH_MIB
    is_clean = leaves_nothing and not soaked.objections
    ended = ", ".join(f"{count} {state}" for state, count in sorted(soaked.ended.items()))
    after = ", ".join(f"{steps}: {count}" for steps, count in sorted(soaked.cancelled_after.items()))
    sys.stdout.write(
        f"jobs, {name}: {soaked.ended.total()} accepted, {ended}, seed {seed}\n"
        + "".join(f"  {what}\n" for what in soaked.done)
        + f"  cancelled jobs by the steps they had made: {after}\n"
        f"  before: {soaked.before}\n  after:  {soaked.after}\n"
        f"  memory before, and by quarters: {', '.join(f'{size:.1f}' for size in soaked.memory_mib)} MiB\n"
        + "".join(f"  otherwise than it must: {text}\n" for text in soaked.objections[:20])
        + ("  each ended as an undisturbed one, nothing is left\n" if is_clean else "  NOT CLEAN\n")
    )
    sys.stdout.flush()
    return is_clean


async def soak_both(volume: Volume, seed: int, settings: tuple[str, ...] = ("sqlite", "postgresql")) -> bool:
    """Soak each setting in turn; return whether all is as it must be."""
    is_clean = True
    if "sqlite" in settings:
        async with asyncio.timeout(_LONGEST_S), fresh_home() as home:
            is_clean &= report("SQLite", await soak_jobs(home, None, volume, seed), seed)
    if "postgresql" in settings:
        async with asyncio.timeout(_LONGEST_S), backings(with_objects=True) as backing, fresh_home() as home:
            is_clean &= report("PostgreSQL + Redis + S3", await soak_jobs(home, backing, volume, seed), seed)
    return is_clean


def main() -> int:
    """Soak; 1 if anything was left or went otherwise than it must."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.jobs", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help="at random under load (%(default)s)")
    parser.add_argument("--cancels", type=int, default=CANCELS, help="jobs cancelled at random (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="what is done, and when (%(default)s)")
    parser.add_argument("--setting", choices=("sqlite", "postgresql"), help="only this one")
    options = parser.parse_args()
    settings = (options.setting,) if options.setting else ("sqlite", "postgresql")
    return 0 if asyncio.run(soak_both(Volume.of(options.kills, options.cancels), options.seed, settings)) else 1


if __name__ == "__main__":
    sys.exit(main())
