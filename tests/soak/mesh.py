"""A whole mesh whose processes are killed, and whether each job ended as if none had been: `python -m tests.soak.mesh`.

Every server is the real one, and the supervisor of `loupe up` starts again what died. By itself the whole volume;
`--kills 10 --boundaries 2 9` for a part of it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from cli.connection import connect
from loupe.orchestrator.v1 import orchestrator_pb2 as pb
from loupe.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from servers.kit.files_client import FilesClient
from tests.bench.jobs_world import fresh_home
from tests.contract.orchestrator_world import kinds
from tests.running import channel_with_key
from tests.soak import mesh_remains
from tests.soak.jobs_verdict import verdict
from tests.soak.mesh_callers import Callers
from tests.soak.mesh_harm import Harm
from tests.soak.mesh_remains import Remains
from tests.soak.mesh_world import Mesh, living_mesh
from tests.soak.strays import strays

EXAMPLE = Path(__file__).parents[2] / "examples" / "coffee.png"
KILLS = 100
ASKED = ("reasoning", "vision", "codegen", "critic", "sandbox")
"""What a job asks one after the other, files aside, which all ask."""
_CALLERS = 3
_TIDY_AFTER_S = 5.0
_LONGEST_S = 7200.0


@dataclass(frozen=True)
class Volume:
    """What is killed, and how often."""

    kills: int
    """At random, under load."""
    targets: Collection[str] | None = None
    """What is killed at boundaries, and at random; None for everything."""
    boundaries: Collection[int] | None = None
    """Numbers of steps after which each is killed, 0 before the first; None for each."""
    in_its_call: Collection[str] = ASKED
    """What is killed in the midst of a call, under jobs with consent."""
    without_consent: Collection[str] = ASKED
    """The same, under jobs without."""


@dataclass
class Soaked:
    """What came of it."""

    ended: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    """Incidents that jobs went on from."""
    away_s: dict[str, list[float]] = field(default_factory=dict)
    """By process, how long it did not serve when it was killed."""
    told_after_s: dict[str, list[float]] = field(default_factory=dict)
    """By server, from its death while it was being asked to the incident on record."""
    done: list[str] = field(default_factory=list)
    objections: list[str] = field(default_factory=list)
    before: Remains | None = None
    after: Remains | None = None


async def soak_mesh(home: Path, volume: Volume, seed: int) -> Soaked:
    """Run jobs while processes of their mesh are killed; then look at each job, and at what is left."""
    soaked = Soaked()
    async with (
        living_mesh(home, LOUPE_ORCHESTRATOR_TIDY_AFTER_S=str(_TIDY_AFTER_S)) as mesh,
        connect(mesh.settings.address, mesh.key) as connection,
    ):
        callers = Callers(connection, await connection.upload(EXAMPLE))
        undisturbed = await callers.see_through()
        await _use_everything(mesh, callers)
        soaked.before = await mesh_remains.settled(mesh)
        open_before = mesh_remains.descriptors(mesh)

        harm = Harm(mesh, callers, Random(seed), kinds(callers.seen.steps[undisturbed]))
        targets = sorted(volume.targets or mesh.targets)
        boundaries = range(len(harm.whole)) if volume.boundaries is None else sorted(volume.boundaries)
        await harm.kill_at_boundaries(targets, boundaries)
        await harm.kill_in_its_call(volume.in_its_call, consents=True)
        await harm.kill_in_its_call(volume.without_consent, consents=False)
        await harm.kill_at_random(targets, volume.kills)

        await _use_everything(mesh, callers)
        soaked.after = await mesh_remains.settled(mesh, soaked.before)
        soaked.objections += mesh_remains.grown(open_before, mesh_remains.descriptors(mesh))
        async with channel_with_key(mesh.settings.address, mesh.key) as channel:
            stub, files = OrchestratorServiceStub(channel), FilesClient(channel)
            soaked.objections += harm.objections + callers.seen.objections
            soaked.objections += await verdict(stub, files, callers.seen, undisturbed, harm.whole)
            soaked.objections += await strays(channel, callers.seen.steps, within_s=20 * _TIDY_AFTER_S)
    soaked.away_s, soaked.done = dict(mesh.away_s), harm.done
    soaked.told, soaked.told_after_s = callers.told, harm.told_after_s
    for steps in callers.seen.steps.values():
        state = steps[-1].job_state if steps else pb.JOB_STATE_UNSPECIFIED
        soaked.ended[pb.JobState.Name(state).removeprefix("JOB_STATE_")] += 1
    return soaked


async def _use_everything(mesh: Mesh, callers: Callers) -> None:
    """Run a few jobs side by side, so that each process and each connection is there that will be."""
    await mesh.until_all_serve()
    async with asyncio.TaskGroup() as group:
        for _ in range(_CALLERS):
            group.create_task(callers.see_through())


def report(soaked: Soaked, seed: int) -> bool:
    """Print what came of it; return whether it is as it must be."""
    is_clean = soaked.after == soaked.before and not soaked.objections
    ended = ", ".join(f"{count} {state}" for state, count in sorted(soaked.ended.items()))
    away = [
        f"    {name}: {statistics.median(times):.1f} s, at most {max(times):.1f} s, {len(times)} times\n"
        for name, times in sorted(soaked.away_s.items())
    ]
    told = [f"    {count} times: {text}\n" for text, count in soaked.told.most_common()]
    after = ", ".join(f"{name} {max(times):.2f}" for name, times in sorted(soaked.told_after_s.items()))
    sys.stdout.write(
        f"mesh: {soaked.ended.total()} jobs accepted, {ended}, seed {seed}\n"
        + "".join(f"  {what}\n" for what in soaked.done)
        + "  away after a kill, until it served again (median):\n"
        + "".join(away)
        + f"  told after the death of who was being asked, at most: {after} s\n  incidents that jobs went on from:\n"
        + "".join(told)
        + f"  before: {soaked.before}\n  after:  {soaked.after}\n"
        + "".join(f"  otherwise than it must: {text}\n" for text in soaked.objections[:20])
        + ("  each ended as an undisturbed one, nothing is left\n" if is_clean else "  NOT CLEAN\n")
    )
    sys.stdout.flush()
    return is_clean


async def _soaked(volume: Volume, seed: int) -> bool:
    async with asyncio.timeout(_LONGEST_S), fresh_home() as home:
        return report(await soak_mesh(home, volume, seed), seed)


def main() -> int:
    """Soak; 1 if anything was left or went otherwise than it must."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.mesh", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help="at random under load (%(default)s)")
    parser.add_argument("--boundaries", type=int, nargs="*", help="only after so many steps")
    parser.add_argument("--targets", nargs="*", help="only these processes")
    parser.add_argument("--seed", type=int, default=1, help="what is killed, and when (%(default)s)")
    options = parser.parse_args()
    return 0 if asyncio.run(_soaked(Volume(options.kills, options.targets, options.boundaries), options.seed)) else 1


if __name__ == "__main__":
    sys.exit(main())
