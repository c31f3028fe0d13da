"""The sandbox's pools beside what one would use in their place, in one run, each in turn, so that drift hits all.

Every program is submitted as a caller does, over gRPC on a socket, with a token of its own; the clock runs from the
call to the first byte of output, and to the result. Before each sample every pool is full again.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from loupe.sandbox.v1.sandbox_pb2 import GetCapabilitiesRequest, GetCapabilitiesResponse, Load, RunCodeRequest, RunSpec
from loupe.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from sandbox.runtime import Runtime, default_directory, find
from servers.kit.keys import KeyFolder
from tests.bench.bare_stream import bare_stream
from tests.bench.table import Row, ratio, timing
from tests.contract.sandbox_client import Client
from tests.running import running

HELLO = "print(1)"
IMPORTS = "import numpy, pandas, matplotlib.pyplot\nprint(1)"
CSV_AND_PNG = """
import numpy as np, pandas as pd, matplotlib.pyplot as plt
frame = pd.DataFrame({"a": np.arange(100), "b": np.random.rand(100)})
frame.to_csv("d.csv", index=False)
plt.plot(frame.a, frame.b)
plt.savefig("c.png")
print(1)
"""
WAITING = 4
_ROUNDS = 20
_QUICK_SAMPLES = 8  # a round
_FULL_WITHIN_S = 120.0
_BUSY_S = 3.0

Took = tuple[float, float]
"""Seconds to the first byte, and to the end."""
Way = Callable[[str], Awaitable[Took]]


@dataclass
class Pool:
    """One sandbox server."""

    client: Client
    size: int

    async def run(self, source: str) -> Took:
        """Submit a program."""
        spec = RunSpec(source=source, critic_token=self.client.token(source))
        first_s, began = 0.0, time.perf_counter()
        async for response in self.client.stub.RunCode(iter([RunCodeRequest(spec=spec)])):
            if response.HasField("output") and not first_s:
                first_s = time.perf_counter() - began
            assert not response.HasField("result") or response.result.exit_code == 0, response
        return first_s, time.perf_counter() - began

    async def is_full(self) -> None:
        """Return when every sandbox that should wait does."""
        async with asyncio.timeout(_FULL_WITHIN_S):
            while (await self._load()).ready_count < self.size:  # noqa: ASYNC110 - a state of another process
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.02)  # the last one has still to fall asleep

    async def made_a_second(self) -> float:
        """Return how many sandboxes are made a second while several callers want one after the other."""
        before, began = (await self._load()).made_count, time.perf_counter()

        async def call() -> None:
            while time.perf_counter() - began < _BUSY_S:
                await self.run(HELLO)

        await asyncio.gather(*(call() for _ in range(2)))
        return ((await self._load()).made_count - before) / (time.perf_counter() - began)

    def idle_mib(self) -> float:
        """Return the PSS of everything but the server itself."""
        total = 0
        for process in psutil.Process(self.client.server.process.pid).children(recursive=True):
            with suppress(psutil.Error):
                total += process.memory_full_info().pss
        return total / 2**20

    async def _load(self) -> Load:
        answer: GetCapabilitiesResponse = await self.client.stub.GetCapabilities(GetCapabilitiesRequest())
        return answer.load


async def sandboxes() -> list[Row]:
    """Measure every way that this machine has."""
    runtime = find(default_directory())
    async with AsyncExitStack() as stack:
        pools: dict[str, Pool] = {}
        for runner, program in (("namespaces", "bwrap"), ("runsc", "runsc")):
            if shutil.which(program):
                for size in (WAITING, 0):
                    pools[f"{runner} {size}"] = await stack.enter_async_context(_pool(runner, size))
        slow: dict[str, Way] = {name: pool.run for name, pool in pools.items() if name.startswith("runsc")}
        quick: dict[str, Way] = {name: pool.run for name, pool in pools.items() if name not in slow}
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="loupe-bench-")))
        quick["stream"] = await stack.enter_async_context(bare_stream(folder))
        quick["bare"] = lambda source: _process([*_python(runtime), source], runtime)
        if shutil.which("bwrap"):
            quick["bwrap"] = lambda source: _process([*_BWRAP, *_python(runtime), source], runtime)
        took = await _in_turn(quick, slow, pools)
        rows = _rows(took)
        for name, pool in pools.items():
            if pool.size:
                await pool.is_full()
                rows.append(Row(f"{pool_name(name)}: PSS of {pool.size} that wait", f"{pool.idle_mib():.0f} MiB"))
        if "namespaces 4" in pools:
            made = await pools["namespaces 4"].made_a_second()
            rows.append(
                Row("namespaces: sandboxes made and used a second", f"{made:.0f}", "two callers, one after the other")
            )
    lacking = [program for program in ("bwrap", "runsc") if not shutil.which(program)]
    return [*rows, *(Row(f"what needs {program}", "not measured", "not on this machine") for program in lacking)]


async def _in_turn(quick: dict[str, Way], slow: dict[str, Way], pools: dict[str, Pool]) -> dict[str, list[Took]]:
    took: dict[str, list[Took]] = defaultdict(list)

    async def sample(name: str, way: Way, source: str, label: str) -> None:
        for pool in pools.values():
            await pool.is_full()
        took[f"{name} {label}"].append(await way(source))

    for _ in range(_ROUNDS):
        for _ in range(_QUICK_SAMPLES):
            for name, way in quick.items():
                await sample(name, way, HELLO, "hello")
        for name, way in slow.items():
            await sample(name, way, HELLO, "hello")
        for name, way in (quick | slow).items():
            if name != "stream":
                await sample(name, way, CSV_AND_PNG, "job")
        await sample("bare", quick["bare"], IMPORTS, "imports")
    return took


def _rows(took: dict[str, list[Took]]) -> list[Row]:
    rows = []
    rows.append(
        timing(
            "a gRPC stream that does nothing, to the first byte", [first for first, _ in took["stream hello"]], tail=99
        )
    )
    for name in ("bare", "bwrap", "namespaces 4", "namespaces 0", "runsc 4", "runsc 0"):
        for label, what in (("hello", "`print(1)`"), ("imports", "the imports"), ("job", "a CSV and a PNG")):
            samples = took.get(f"{name} {label}")
            if samples:
                firsts, ends = [first for first, _ in samples], [end for _, end in samples]
                rows.append(timing(f"{pool_name(name)}, {what}, to the first byte", firsts, tail=99))
                rows.append(timing(f"{pool_name(name)}, {what}, to the result", ends, tail=99))
    bare = [end for _, end in took["bare job"]]
    for name in ("namespaces 4", "runsc 4"):
        if samples := took.get(f"{name} job"):
            rows.append(ratio(f"{pool_name(name)} over bare, a CSV and a PNG", [end for _, end in samples], bare))
    return rows


def pool_name(name: str) -> str:
    """Return a way's name for people."""
    return {
        "bare": "bare Python",
        "bwrap": "bubblewrap, cold",
        "namespaces 4": "namespaces, warm",
        "namespaces 0": "namespaces, none ready",
        "runsc 4": "gVisor, warm",
        "runsc 0": "gVisor, none ready (cold)",
    }[name]


@asynccontextmanager
async def _pool(runner: str, size: int) -> AsyncIterator[Pool]:
    home = Path(tempfile.mkdtemp(prefix="loupe-bench-"))
    environment = {"LOUPE_SANDBOX_RUNNER": runner, "LOUPE_SANDBOX_WARM_SANDBOXES": str(size)}
    try:
        listen = f"unix:{home}/s.sock"
        async with running("sandbox", home, environment, listen=listen) as server, server.channel() as channel:
            yield Pool(Client(SandboxServiceStub(channel), KeyFolder(home / "keys"), server), size)
    finally:
        shutil.rmtree(home, ignore_errors=True)


_BWRAP = (
    *("bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/", "/", "--proc", "/proc"),
    *("--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/tmp", "--"),
)


def _python(runtime: Runtime) -> list[str]:
    return [str(runtime.path / "bin" / "python"), "-c"]


async def _process(command: list[str], runtime: Runtime) -> Took:
    """Run a command in a folder of its own, with a font cache as ready as the sandbox's."""
    env = {
        "PATH": os.environ["PATH"],
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": str(runtime.path / runtime.matplotlib_config),
        "OPENBLAS_NUM_THREADS": "1",
    }
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        assert process.stdout
        await process.stdout.read(1)
        first_s = time.perf_counter() - began
        assert await process.wait() == 0, command
        return first_s, time.perf_counter() - began
