"""What is done to the processes of a mesh while jobs are in work."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from random import Random

from loupe.orchestrator.v1 import orchestrator_pb2 as pb
from loupe.orchestrator.v1.incident_pb2 import REMEDY_KIND_RETRY
from tests.soak.jobs_callers import busy, undone
from tests.soak.mesh_callers import Callers
from tests.soak.mesh_world import Mesh

_CALLERS = 3
_STILL_S = 0.5
"""Time in which a job whose newest step is seen makes the call that follows."""
_ASKED_BY = {
    "reasoning": "",
    "vision": "read_figures",
    "codegen": "write_code",
    "critic": "review_code",
    "sandbox": "run_code",
}
"""With which step on record a server is asked first."""
TOLD_WITHIN_S = 2.0


@dataclass
class Harm:
    """What is done to one mesh, and what was heard of it."""

    mesh: Mesh
    callers: Callers
    random: Random
    whole: Sequence[str]
    """What an undisturbed job does."""
    done: list[str] = field(default_factory=list)
    objections: list[str] = field(default_factory=list)
    told_after_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """By server, from its death while it was being asked to the incident on record."""

    async def kill_at_boundaries(self, targets: Sequence[str], boundaries: Sequence[int]) -> None:
        """Run a job for each boundary and target, and kill that one when the job's watcher has seen so many steps."""
        began = time.monotonic()
        for boundary in boundaries:
            for target in targets:
                await self._kill_at(target, boundary)
        count = len(boundaries) * len(targets)
        self._note(f"{len(targets)} processes killed at {len(boundaries)} boundaries each, {count} kills", began)

    async def _kill_at(self, target: str, boundary: int) -> None:
        killing: list[asyncio.Task[None]] = []

        async def kill(count: int) -> None:
            if count == boundary and not killing:
                killing.append(asyncio.create_task(self.mesh.kill_and_wait(target, self.random)))
                await asyncio.sleep(0)  # now, not when the job has gone on

        await self.callers.see_through(kill)
        await asyncio.gather(*killing)
        await self.mesh.until_all_serve()

    async def kill_at_random(self, targets: Sequence[str], count: int) -> None:
        """Kill what chance says, when chance says, under load."""
        began = time.monotonic()
        killed = 0
        async with busy(self.callers.see_through, _CALLERS):
            while killed < count:
                await asyncio.sleep(self.random.uniform(0.3, 3.0))
                killed += self.mesh.kill(self.random.choice(targets), self.random)
        await self.mesh.until_all_serve()
        self._note(f"{count} processes killed at random under {_CALLERS} callers", began)

    async def kill_in_its_call(self, names: Collection[str], *, consents: bool) -> None:
        """Let each server stand still until a job waits for it, and kill it then."""
        began = time.monotonic()
        ended = []
        for name in names:
            callers = Callers(self.callers.connection, self.callers.picture)
            waiting = _Waiting(self.whole.index(_ASKED_BY[name]) + 1 if _ASKED_BY[name] else 0)
            with self.mesh.frozen(name):
                watching = asyncio.create_task(callers.see_through(waiting.hear, consents=consents))
                await waiting.until_still()
                killed_time = time.time()
                killing = asyncio.create_task(self.mesh.kill_and_wait(name, self.random))
                job_id = await watching
                await killing
            await self.mesh.until_all_serve()
            steps = callers.seen.steps.get(job_id, [])
            self._take_told(name, steps, killed_time)
            self.objections += callers.seen.objections
            if consents:
                self.callers.seen.steps[job_id] = steps
                self.callers.told += callers.told
            else:
                ended.append(await self._after_no_consent(name, callers, job_id, steps))
        asked = "with consent" if consents else f"without consent ({', '.join(ended)})"
        self._note(f"{', '.join(names)} killed in the midst of a call, {asked}", began)

    async def _after_no_consent(self, name: str, callers: Callers, job_id: str, steps: list[pb.Step]) -> str:
        """Hold the end of a job that consented to nothing; what failed must be offered again, and succeed then."""
        last = steps[-1] if steps else pb.Step()
        if last.job_state != pb.JOB_STATE_FAILED:
            self.objections.append(f"{job_id}: {name} was killed in its call, and the job is {last.job_state}")
            return f"{name}: no incident"
        incident = last.incident
        if f"the {name} server" not in incident.summary:
            self.objections.append(f"{job_id}: {name} was killed, and it says: {incident.summary}")
        if REMEDY_KIND_RETRY not in [remedy.kind for remedy in incident.remedies]:
            self.objections.append(f"{job_id}: {name} was killed, and no retry is offered")
        again = await callers.retry(job_id)
        self.callers.seen.steps[again] = callers.seen.steps[again]
        if problem := undone(callers.seen.steps[again], self.whole):
            self.objections.append(f"{again}, the retry of {job_id}: {problem}")
        return f"{name}: an incident, and done by a retry"

    def _take_told(self, name: str, steps: list[pb.Step], killed_time: float) -> None:
        told = [step.create_time.ToNanoseconds() / 1e9 for step in steps if step.HasField("incident")]
        if not told:
            return
        after_s = told[0] - killed_time
        self.told_after_s[name].append(after_s)
        if after_s > TOLD_WITHIN_S:
            self.objections.append(f"{name} died, and it was told {after_s:.1f} s later")

    def _note(self, text: str, began: float) -> None:
        self.done.append(f"{text}, {time.monotonic() - began:.0f} s")
        sys.stderr.write(f"  {self.done[-1]}\n")
        sys.stderr.flush()


class _Waiting:
    """Hears of a job until it waits for the server that stands still."""

    def __init__(self, after_count: int) -> None:
        """Take how many steps there are then."""
        self._after_count = after_count
        self._is_there = asyncio.Event()

    async def hear(self, count: int) -> None:
        """Take how many steps there are."""
        if count == self._after_count:
            self._is_there.set()

    async def until_still(self) -> None:
        """Return a moment after the call was made."""
        await self._is_there.wait()
        await asyncio.sleep(_STILL_S)
