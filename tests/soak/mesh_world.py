"""A mesh as `loupe up` makes it, whose processes can be killed by name: the supervisor starts them again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psutil

from cli import health, lifecycle, mesh_state
from cli.config import Settings
from cli.mesh_state import Member
from cli.plan import ENVOY, plan
from servers.kit.keys import KeyFolder

READER = "a process of vision's"
INSIDE = "a process of the sandbox's"
CHECKER = "a process of the critic's"
_CHILDREN_OF = {READER: "vision", INSIDE: "sandbox", CHECKER: "critic"}
_STARTS_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.02


@dataclass
class Mesh:
    """A mesh that runs."""

    settings: Settings
    supervisor: asyncio.subprocess.Process
    away_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """By process, for how long it did not serve each time it was killed."""
    sandbox_pids: set[int] = field(default_factory=set)
    """Of every sandbox server there was."""

    @property
    def home(self) -> Path:
        """Where everything of it is."""
        return self.settings.home

    @property
    def key(self) -> str:
        """What lets a caller in."""
        return KeyFolder(self.home / "keys").api_key()

    @property
    def names(self) -> list[str]:
        """Every process that the supervisor keeps, Envoy the last."""
        return [planned.name for planned in plan(self.settings)]

    @property
    def targets(self) -> list[str]:
        """What can be killed: those, and processes that some of them start."""
        return [*self.names, *_CHILDREN_OF]

    def member(self, name: str) -> Member:
        """What the supervisor records of a process now."""
        state = mesh_state.read_running(self.settings.run_dir)
        assert state is not None, "the supervisor has ended"
        return next(member for member in state.members if member.name == name)

    def pid(self, name: str) -> int | None:
        """The number of a process; None while it is being started again."""
        process = self.member(name).process
        return process.pid if process is not None and process.is_alive else None

    def kill(self, target: str, random: Random) -> bool:
        """End a process without a word; return whether there was one."""
        pid = self.pid(_CHILDREN_OF.get(target, target))
        if pid is None:
            return False
        self.sandbox_pids |= {pid} if target in ("sandbox", INSIDE) else set()
        if target in _CHILDREN_OF:
            with suppress(psutil.NoSuchProcess):
                started = psutil.Process(pid).children(recursive=True)
                pid = random.choice(started).pid if started else None
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
        return False

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Let a process stand still, so that a call of it does not end; what is frozen can be killed."""
        pid = self.pid(name)
        assert pid is not None, f"{name} does not run"
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def kill_and_wait(self, target: str, random: Random) -> None:
        """Kill a process and return when it serves again."""
        before = self.member(target).process if target in self.names else None
        began = time.monotonic()
        if not self.kill(target, random) or before is None:
            return
        while (now := self.member(target)).process in (None, before) or not await self._serves(target):
            assert now.state != "failed", f"{target} was given up"
            assert time.monotonic() < began + _STARTS_WITHIN_S, f"{target} does not come back: {now}, it was {before}"
            await asyncio.sleep(_LOOK_EVERY_S)
        self.away_s[target].append(time.monotonic() - began)

    async def until_all_serve(self) -> None:
        """Return when every process serves, and Envoy knows it."""
        until = time.monotonic() + _STARTS_WITHIN_S
        while waited_for := await self._waited_for():
            assert time.monotonic() < until, f"still waiting for {waited_for}"
            await asyncio.sleep(5 * _LOOK_EVERY_S)
        self.sandbox_pids |= {pid for pid in [self.pid("sandbox")] if pid}

    async def _waited_for(self) -> str:
        """Return what does not serve yet; empty when all do."""
        state = mesh_state.read_running(self.settings.run_dir)
        if state is None:
            return "the supervisor"
        if missing := [lifecycle.describe(one) for one in await health.ask(self.settings, state) if not one.is_serving]:
            return ", ".join(missing)
        return "" if await asyncio.to_thread(health.gateway_answers, self.settings.address, "/readyz") else "/readyz"

    async def _serves(self, name: str) -> bool:
        state = mesh_state.read_running(self.settings.run_dir)
        assert state is not None, "the supervisor has ended"
        if name == ENVOY:
            return await asyncio.to_thread(health.gateway_answers, self.settings.address, "/healthz")
        return all(one.is_serving for one in await health.ask(self.settings, state, [name]))


@asynccontextmanager
async def living_mesh(home: Path, **more: str) -> AsyncIterator[Mesh]:
    """Start a mesh, and stop it at the end.

    Args:
      home: with a path short enough for sockets.
      more: settings besides.
    """
    temporary = home / "tmp"
    temporary.mkdir(mode=0o700)
    port = str(_free_port())
    environment = {"LOUPE_HOME": str(home), "LOUPE_PORT": port, "TMPDIR": str(temporary), **more}
    with (home / "supervisor.log").open("wb") as log:
        supervisor = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli.supervisor"),
            env={**os.environ, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    given: dict[str, Any] = {"LOUPE_HOME": str(home), "LOUPE_PORT": port}
    mesh = Mesh(Settings(**given), supervisor)
    try:
        await mesh.until_all_serve()
        yield mesh
    finally:
        if supervisor.returncode is None:
            supervisor.send_signal(signal.SIGTERM)
        await supervisor.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
