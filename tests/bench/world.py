"""The mesh that is measured: started as a user starts it, with the time that took and the memory it holds idle."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import psutil

from servers.kit.files_client import FilesClient
from servers.kit.keys import KeyFolder
from tests.bench.table import Row
from tests.running import channel_with_key

LOUPE = Path(sys.executable).with_name("loupe")
PORT = 18_000
PICTURE = Path(__file__).parents[2] / "examples" / "coffee.png"
IDLE_S = 5


@dataclass
class World:
    """A mesh, and ways to ask it."""

    home: Path
    direct: dict[str, grpc.aio.Channel]
    envoy: grpc.aio.Channel
    rest: httpx.AsyncClient
    picture: Any
    start_rows: list[Row] = field(default_factory=list)


@asynccontextmanager
async def world(settings: Mapping[str, str] | None = None) -> AsyncIterator[World]:
    """Run `loupe up` in a folder of its own until the block ends, with variables set."""
    home = Path(tempfile.mkdtemp(prefix="loupe-bench-"))
    env = os.environ | {"LOUPE_HOME": str(home), "LOUPE_PORT": str(PORT), **(settings or {})}
    began = time.perf_counter()
    try:
        await _loupe(env, "up", "--detach")
        rows = [Row("`loupe up`, until all serve", f"{time.perf_counter() - began:.1f} s")]
        key = KeyFolder(home / "keys").api_key()
        await asyncio.sleep(IDLE_S)  # idle means after the start's own work
        rows += _memory(home)
        direct = {
            name: channel_with_key(f"unix:{home}/run/{name}.sock", key) for name in ("files", "critic", "sandbox")
        }
        envoy = channel_with_key(f"127.0.0.1:{PORT}", key)
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", headers=headers, timeout=60) as rest:
            picture = await FilesClient(envoy).write(PICTURE.read_bytes(), PICTURE.name)
            yield World(home, direct, envoy, rest, picture, rows)
            for channel in (*direct.values(), envoy):
                await channel.close()
    finally:
        await _loupe(env, "down")
        shutil.rmtree(home, ignore_errors=True)


async def _loupe(env: dict[str, str], *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(LOUPE, *arguments, env=env, stdout=asyncio.subprocess.DEVNULL)
    if await process.wait():
        raise SystemExit(f"loupe {' '.join(arguments)} failed")


def resident_mib(home: Path) -> float:
    """Return the resident memory of a mesh, all processes added up."""
    total = 0.0
    for process in _processes(home):
        with suppress(psutil.Error):  # it may have ended
            total += process.memory_info().rss / 2**20
    return total


def _processes(home: Path) -> Iterator[psutil.Process]:
    """Yield every process that carries the mesh's home in its environment."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("LOUPE_HOME") == str(home):
                yield process


def _memory(home: Path) -> list[Row]:
    by_name: dict[str, float] = {}
    for process in _processes(home):
        with suppress(psutil.Error):
            name = _name(process.cmdline())
            by_name[name] = by_name.get(name, 0) + process.memory_full_info().pss / 2**20
    parts = ", ".join(f"{name} {size:.0f}" for name, size in sorted(by_name.items(), key=lambda item: -item[1]))
    return [Row("PSS of the whole idle tree", f"{sum(by_name.values()):.0f} MiB", parts)]


def _name(command: list[str]) -> str:
    if "-m" in command:
        return command[command.index("-m") + 1].removeprefix("servers.")
    return Path(command[0]).name if command else "?"
