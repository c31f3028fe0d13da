"""Runs the mix against one real server and holds what it leaves against what was there before."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from loupe.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from servers.kit.keys import KeyFolder
from tests.contract.sandbox_client import Client
from tests.running import running
from tests.soak import remains
from tests.soak.mix import KINDS, Turn, turns

_CALLERS = 3
_LONGEST_S = 60


@dataclass
class Soaked:
    """What came of it."""

    ended: Counter[str] = field(default_factory=Counter)
    cancelled_count: int = 0
    objections: list[str] = field(default_factory=list)
    """Runs that ended otherwise than they must."""
    before: remains.Remains | None = None
    after: remains.Remains | None = None
    memory_before_mib: float = 0.0
    memory_after_mib: float = 0.0
    took_s: float = 0.0

    @property
    def growth_mib(self) -> float:
        """Memory at the end over that after the warm-up."""
        return self.memory_after_mib - self.memory_before_mib


async def soak(runner: str, home: Path, *, runs: int, seed: int, warm_up: int) -> Soaked:
    """Run `warm_up` programs, look, run `runs` more, look again."""
    (home / "tmp").mkdir()
    environment = {"LOUPE_SANDBOX_RUNNER": runner, "TMPDIR": str(home / "tmp")}
    soaked = Soaked()
    with remains.adopting_orphans():
        async with running("sandbox", home, environment) as server, server.channel() as channel:
            client = Client(SandboxServiceStub(channel), KeyFolder(home / "keys"), server)
            pid = server.process.pid
            for kind in KINDS:
                await _run(client, Turn(kind, 0, None), soaked)
            await _drive(client, turns(seed + 1, warm_up), soaked)
            soaked.before = await remains.settled(pid, home)
            soaked.memory_before_mib = remains.memory_mib()
            began = time.monotonic()
            await _drive(client, turns(seed, runs), soaked)
            soaked.took_s = time.monotonic() - began
            soaked.after = await remains.settled(pid, home, soaked.before)
            soaked.memory_after_mib = remains.memory_mib()
    return soaked


async def _drive(client: Client, mix: Iterator[Turn], soaked: Soaked) -> None:
    """Let a few callers take turns until none is left."""

    async def call() -> None:
        for turn in mix:
            await _run(client, turn, soaked)

    async with asyncio.TaskGroup() as callers:
        for _ in range(_CALLERS):
            callers.create_task(call())


async def _run(client: Client, turn: Turn, soaked: Soaked) -> None:
    kind = turn.kind
    try:
        async with asyncio.timeout(_LONGEST_S if turn.cancel_after_s is None else turn.cancel_after_s):
            answer = await client.run(kind.source, inputs=kind.inputs, seed=turn.seed, **kind.limits)
    except TimeoutError:
        soaked.cancelled_count += 1
        if turn.cancel_after_s is None:
            soaked.objections.append(f"{kind.name}: no result in {_LONGEST_S} s")
        return
    except grpc.aio.AioRpcError as error:
        soaked.objections.append(f"{kind.name}: {error.code().name}: {error.details()}")
        return
    soaked.ended[kind.name] += 1
    if objection := kind.objection(answer.result):
        soaked.objections.append(objection)
