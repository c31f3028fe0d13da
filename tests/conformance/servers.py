"""Model servers as processes: started on free ports, waited for, killed, and asked how many callers they saw leave."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
ENGINES = ROOT / "tests" / "engines"
BUILD = ROOT / ".build"
_START_S = 180.0
_ENDS_WITHIN_S = 20.0


@dataclass
class ModelServer:
    """A process that serves a model."""

    command: tuple[str, ...]
    port: int
    """What the router is told."""
    health_url: str
    metrics_url: str
    aborted: str
    """Pattern of the lines of /metrics that count callers who left, the count in its group."""
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, env=os.environ | self.env, stdout=log, stderr=log, start_new_session=True
            )
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(_START_S):
            while True:
                assert self.process.returncode is None, f"it ended:\n{self.log.read_text()[-4000:]}"
                try:
                    if (await client.get(self.health_url)).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)

    async def kill(self) -> None:
        """End it and all it started at once, as a machine does that runs out of memory."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        async with asyncio.timeout(_ENDS_WITHIN_S):
            await self.process.wait()

    async def aborted_count(self) -> int:
        """Return how many callers left before their answer was over, as the server itself counts."""
        async with httpx.AsyncClient(trust_env=False) as client:
            text = (await client.get(self.metrics_url)).text
        return sum(int(float(count)) for count in re.findall(self.aborted, text, re.MULTILINE))


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def word_server(home: Path) -> ModelServer:
    """The tests' own server of OpenAI's format."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    command = (sys.executable, "-m", "tests.engines.word_server", str(port))
    env = {"PYTHONPATH": str(ROOT)}
    return ModelServer(
        command, port, f"{base}/health", f"{base}/metrics", r"^aborted_total (\S+)", home / "words.log", env
    )


def triton_server(home: Path) -> ModelServer:
    """A real Triton, from the wheel of pytriton, over a repository of Python models."""
    environment = BUILD / "triton"
    packages = environment / "lib" / "python3.11" / "site-packages"
    triton = packages / "pytriton" / "tritonserver"
    shutil.copytree(ENGINES / "triton_repository", home / "repository")
    shutil.copy(ENGINES / "word_model.py", home / "repository" / "chat" / "1")
    shutil.copytree(triton / "backends", home / "backends")
    for file in (triton / "python_backend_stubs" / "3.11").iterdir():
        shutil.copy(file, home / "backends" / "python")
    grpc, http, metrics = free_port(), free_port(), free_port()
    command = (
        str(triton / "bin" / "tritonserver"),
        f"--model-repository={home / 'repository'}",
        f"--backend-directory={home / 'backends'}",
        "--model-control-mode=explicit",
        "--disable-auto-complete-config",
        *(f"--{kind}-address=127.0.0.1" for kind in ("grpc", "http", "metrics")),
        *(f"--grpc-port={grpc}", f"--http-port={http}", f"--metrics-port={metrics}"),
    )
    # Its Python finds its packages by the interpreter that is first on the path.
    env = {
        "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs"),
    }
    metrics_url = f"http://127.0.0.1:{metrics}/metrics"
    health_url = f"http://127.0.0.1:{http}/v2/health/ready"
    return ModelServer(command, grpc, health_url, metrics_url, r"^aborted_total (\S+)", home / "triton.log", env)


def vllm_server(home: Path, model: Path) -> ModelServer:
    """A real vLLM on the CPU over a tiny model."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    command = (
        *(str(BUILD / "vllm" / "bin" / "vllm"), "serve", str(model), "--host", "127.0.0.1", "--port", str(port)),
        *("--served-model-name", "chat", "--max-model-len", "1024", "--enforce-eager", "--dtype", "bfloat16"),
    )
    env = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    counter = r'^vllm:request_success_total\{[^}]*finished_reason="abort"[^}]*\} (\S+)'
    return ModelServer(command, port, f"{base}/health", f"{base}/metrics", counter, home / "vllm.log", env)
