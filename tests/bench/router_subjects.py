"""Starts what the router's bench measures: the router, Envoy before it, and what people would use in its place."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from gateway.envoy.config import GatewaySettings
from gateway.envoy.process import running as gateway_running
from tests.running import make_keys

ROOT = Path(__file__).parents[2]
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


@asynccontextmanager
async def loupe(home: Path, model_port: int) -> AsyncIterator[tuple[Subject, Subject]]:
    """Run the router and a gateway before it; yields the router's own socket, and Envoy's."""
    key = make_keys(home)
    (home / "router.toml").write_text(
        f'[[providers]]\nname = "model"\nkind = "openai"\nbase_url = "http://127.0.0.1:{model_port}/v1"\n'
        '[[providers.models]]\nname = "m"\ninput_usd_per_mtok = "0.15"\noutput_usd_per_mtok = "0.6"\n'
        '[[budgets]]\nname = "all"\nlimit_usd = "1000"\n'
    )
    # Its log goes to a file: who reads it line by line takes the time from those that are measured.
    with (home / "router.log").open("wb") as log:
        command = (sys.executable, "-m", "servers.router")
        async with process_of(*command, stderr=log.fileno(), environment={"LOUPE_HOME": str(home)}) as pid:
            direct = Subject("router", f"unix:{home}/run/openai.sock", key, (pid,))
            await answers(direct)
            async with gateway_running(GatewaySettings(home=home, port=0)) as gateway:
                through = Subject("router through Envoy", gateway.address, key, (pid, gateway.process.pid))
                await answers(through)
                yield direct, through


@asynccontextmanager
async def fastapi(folder: Path, model_port: int) -> AsyncIterator[Subject]:
    """Run a proxy as one writes it by hand."""
    python = await _environment(folder / "fastapi", FASTAPI)
    port = free_port()
    program = str(Path(__file__).with_name("fastapi_proxy.txt"))
    async with process_of(str(python), program, f"http://127.0.0.1:{model_port}", str(port)) as pid:
        subject = Subject("FastAPI + httpx", f"127.0.0.1:{port}", processes=(pid,))
        await answers(subject)
        yield subject


@asynccontextmanager
async def litellm(folder: Path, model_port: int) -> AsyncIterator[Subject]:
    """Run LiteLLM's proxy."""
    python = await _environment(folder / "litellm", LITELLM)
    port = free_port()
    config = folder / "litellm.yaml"
    base = f"http://127.0.0.1:{model_port}/v1"
    config.write_text(
        f"model_list: [{{model_name: m, litellm_params: {{model: openai/m, api_base: '{base}', api_key: none}}}}]\n"
    )
    command = [str(python.with_name("litellm")), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--num_workers", "1", "--telemetry", "False"]
    async with process_of(*command, environment=_LITELLM_ENVIRONMENT) as pid:
        subject = Subject("LiteLLM", f"127.0.0.1:{port}", processes=(pid,))
        await answers(subject)
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
async def process_of(
    *command: str, stderr: int = asyncio.subprocess.DEVNULL, environment: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[int]:
    """Run a program until the block ends; yields its process id."""
    env = {**os.environ, **environment}
    null = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=null, stderr=stderr, env=env)
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


async def answers(subject: Subject) -> None:
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


def free_port() -> int:
    """Return a port of loopback that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
