"""The router beside what people would use in its place, all in front of the same instant model."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from gateway.envoy.config import GatewaySettings
from gateway.envoy.process import running as gateway_running
from tests.bench.table import Row
from tests.running import running

ROOT = Path(__file__).parents[2]
CONNECTIONS = (1, 16, 64)
SECONDS = 4.0
WARM_S = 2.0
START_S = 120.0
# The newest that can be installed; each in an environment of its own, thrown away afterwards.
LITELLM = ("litellm[proxy]",)
_LITELLM_ENVIRONMENT = {
    "LITELLM_LOG": "ERROR",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or it fetches a list of prices at its start
    # It refuses to start without a key otherwise; checking one would cost it more.
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}
FASTAPI = ("fastapi", "uvicorn", "uvloop", "httptools", "httpx")


@dataclass(frozen=True)
class Subject:
    """Something that answers chats."""

    name: str
    address: str
    key: str = "none"
    processes: tuple[int, ...] = ()
    """Whose CPU time is its cost; children count too."""


@dataclass(frozen=True)
class Measured:
    """What one subject did."""

    rps: dict[int, float]
    p50_s: float
    """At one connection."""

    cpu_s: float
    """Of a request, at 64 connections."""


async def router() -> list[Row]:
    """Measure all, one after the other, in front of one model."""
    folder = Path(tempfile.mkdtemp(prefix="loupe-router-"))
    try:
        async with AsyncExitStack() as stack:
            model_port = _free_port()
            await stack.enter_async_context(
                _process(sys.executable, "-m", "tests.bench.instant_model", str(model_port))
            )
            model = Subject("the instant model itself", f"127.0.0.1:{model_port}")
            await _answers(model)
            found = {"model": await _measure(model)}
            async with _loupe(folder / "home", model_port) as (direct, through_envoy):
                found["router"] = await _measure(direct)
                found["gateway"] = await _measure(through_envoy)
            async with _fastapi(folder, model_port) as subject:
                found["fastapi"] = await _measure(subject)
            async with _litellm(folder, model_port) as subject:
                found["litellm"] = await _measure(subject)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _rows(found)


def _rows(found: Mapping[str, Measured]) -> list[Row]:
    base = found["model"].p50_s
    names = {
        "model": "no router: the instant model itself",
        "router": "router, ledger on, its own socket",
        "gateway": "router, ledger on, through Envoy",
        "fastapi": "FastAPI + httpx, one worker, no ledger",
        "litellm": "LiteLLM's proxy, one worker, no ledger",
    }
    rows = [
        Row(
            names[key],
            f"{' / '.join(f'{one.rps[count]:.0f}' for count in CONNECTIONS)} requests/s",
            f"at {' / '.join(map(str, CONNECTIONS))} connections; p50 at one {(one.p50_s - base) * 1000:+.2f} ms; "
            f"{one.cpu_s * 1e6:.0f} µs CPU a request",
        )
        for key, one in found.items()
    ]
    for key in ("fastapi", "litellm"):
        times = {way: found[way].rps[64] / found[key].rps[64] for way in ("router", "gateway")}
        rows.append(
            Row(
                f"router over {names[key].partition(',')[0]}, 64 connections",
                f"{times['router']:.1f}x",
                f"through Envoy {times['gateway']:.1f}x",
            )
        )
    return rows


async def _measure(subject: Subject) -> Measured:
    await _load(subject, 16, WARM_S)
    rps: dict[int, float] = {}
    p50_s = cpu_s = 0.0
    for count in CONNECTIONS:
        before = _cpu_s(subject)
        told = await _load(subject, count, SECONDS)
        rps[count] = told["rps"]
        if count == 1:
            p50_s = told["p50_s"]
        cpu_s = (_cpu_s(subject) - before) / told["count"]
    return Measured(rps, p50_s, cpu_s)


async def _load(subject: Subject, connections: int, seconds: float) -> dict[str, float]:
    command = ("-m", "tests.bench.http_load", subject.address, str(connections), str(seconds), subject.key)
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{subject.name} failed under load")
    told: dict[str, float] = json.loads(out)
    return told


def _cpu_s(subject: Subject) -> float:
    total = 0.0
    for pid in subject.processes:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            times = one.cpu_times()
            total += times.user + times.system
    return total


@asynccontextmanager
async def _loupe(home: Path, model_port: int) -> AsyncIterator[tuple[Subject, Subject]]:
    home.mkdir(mode=0o700)
    (home / "router.toml").write_text(
        f'[[providers]]\nname = "model"\nkind = "openai"\nbase_url = "http://127.0.0.1:{model_port}/v1"\n'
        '[[providers.models]]\nname = "m"\ninput_usd_per_mtok = "0.15"\noutput_usd_per_mtok = "0.6"\n'
        '[[budgets]]\nname = "all"\nlimit_usd = "1000"\n'
    )
    listen = f"unix:{home}/run/router.sock"
    async with running("router", home, listen=listen) as server:
        settings = GatewaySettings(home=home, port=0)
        async with gateway_running(settings) as gateway:
            direct = Subject("router", f"unix:{home}/run/openai.sock", server.key, (server.process.pid,))
            both = (server.process.pid, gateway.process.pid)
            through = Subject("router through Envoy", gateway.address, server.key, both)
            await _answers(through)
            yield direct, through


@asynccontextmanager
async def _fastapi(folder: Path, model_port: int) -> AsyncIterator[Subject]:
    python = await _environment(folder / "fastapi", FASTAPI)
    port = _free_port()
    program = str(Path(__file__).with_name("fastapi_proxy.txt"))
    async with _process(str(python), program, f"http://127.0.0.1:{model_port}", str(port)) as pid:
        subject = Subject("FastAPI + httpx", f"127.0.0.1:{port}", processes=(pid,))
        await _answers(subject)
        yield subject


@asynccontextmanager
async def _litellm(folder: Path, model_port: int) -> AsyncIterator[Subject]:
    python = await _environment(folder / "litellm", LITELLM)
    port = _free_port()
    config = folder / "litellm.yaml"
    base = f"http://127.0.0.1:{model_port}/v1"
    config.write_text(
        f"model_list: [{{model_name: m, litellm_params: {{model: openai/m, api_base: '{base}', api_key: none}}}}]\n"
    )
    command = (str(python.with_name("litellm")), "--config", str(config), "--host", "127.0.0.1", "--port", str(port))
    async with _process(*command, "--num_workers", "1", "--telemetry", "False") as pid:
        subject = Subject("LiteLLM", f"127.0.0.1:{port}", processes=(pid,))
        await _answers(subject)
        yield subject


async def _environment(folder: Path, packages: tuple[str, ...]) -> Path:
    """Return the Python of a fresh environment with these packages."""
    python = folder / "bin" / "python"
    # pip gives up on LiteLLM's requirements where uv finds a set of versions.
    uv = str(ROOT / ".build" / "uv" / "bin" / "uv")
    for command in (
        (uv, "venv", "--quiet", "--python", sys.executable, str(folder)),
        (uv, "pip", "install", "--quiet", "--python", str(python), *packages),
    ):
        process = await asyncio.create_subprocess_exec(*command)
        if await process.wait():
            raise SystemExit(f"{' '.join(packages)} can't be installed")
    return python


@asynccontextmanager
async def _process(*command: str) -> AsyncIterator[int]:
    null = asyncio.subprocess.DEVNULL
    env = os.environ | _LITELLM_ENVIRONMENT
    process = await asyncio.create_subprocess_exec(*command, stdout=null, stderr=null, env=env)
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _answers(subject: Subject) -> None:
    """Return once a subject answers a chat."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        command = ("-m", "tests.bench.http_load", subject.address, "1", "0.05", subject.key)
        null = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=null, stderr=null)
        if await process.wait() == 0:
            return
        await asyncio.sleep(0.3)
    raise SystemExit(f"{subject.name} did not answer within {START_S:g} s")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
