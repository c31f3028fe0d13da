"""The mesh that is measured: started as a user starts it, with the time that took and the memory it holds idle."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
async def world() -> AsyncIterator[World]:
    """Run `loupe up` in a folder of its own until the block ends."""
    home = Path(tempfile.mkdtemp(prefix="loupe-bench-"))
    env = os.environ | {"LOUPE_HOME": str(home), "LOUPE_PORT": str(PORT)}
    began = time.perf_counter()
    try:
        await _loupe(env, "up", "--detach")
        rows = [Row("`loupe up`, until all serve", f"{time.perf_counter() - began:.1f} s")]
        key = KeyFolder(home / "keys").api_key()
        await asyncio.sleep(IDLE_S)  # idle means after the start's own work
        rows += _memory(env)
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


def _memory(env: dict[str, str]) -> list[Row]:
    """PSS of every process that carries the mesh's home in its environment."""
    by_name: dict[str, float] = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get("LOUPE_HOME") != env["LOUPE_HOME"]:
                continue
            name = _name(process.cmdline())
            by_name[name] = by_name.get(name, 0) + process.memory_full_info().pss / 2**20
        except psutil.Error:
            continue
    parts = ", ".join(f"{name} {size:.0f}" for name, size in sorted(by_name.items(), key=lambda item: -item[1]))
    return [Row("PSS of the whole idle tree", f"{sum(by_name.values()):.0f} MiB", parts)]


def _name(command: list[str]) -> str:
    if "-m" in command:
        return command[command.index("-m") + 1].removeprefix("servers.")
    return Path(command[0]).name if command else "?"
