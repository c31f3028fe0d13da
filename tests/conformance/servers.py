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

import grpc
import httpx

from vllm_grpc.vllm_engine_pb2 import HealthCheckRequest
from vllm_grpc.vllm_engine_pb2_grpc import VllmEngineStub

ROOT = Path(__file__).parents[2]
ENGINES = ROOT / "tests" / "engines"
BUILD = ROOT / ".build"
VLLM = os.environ.get("LOUPE_TEST_VLLM", str(BUILD / "vllm" / "bin" / "vllm"))
"""The command of an installed vLLM."""
VLLM_LISTENER = os.environ.get("LOUPE_TEST_LISTENER", str(BUILD / "engines" / "models" / "whisper"))
"""Of the model that writes down speech."""
VLLM_MODEL = os.environ.get("LOUPE_TEST_MODEL", str(BUILD / "engines" / "models" / "qwen2.5-vl"))
"""Folder or name of the model it serves; one that takes pictures."""
_START_S = 600.0  # a real model's weights take minutes
_ENDS_WITHIN_S = 20.0
_SEEN_WITHIN_S = 10.0


@dataclass
class ModelServer:
    """A process that serves a model."""

    command: tuple[str, ...]
    port: int
    """What the router is told."""
    health_url: str
    metrics_url: str
    log: Path
    aborted: str = r"^aborted_total (\S+)"
    """Pattern of the lines of /metrics that count callers who left, the count in its group."""
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
                if await self._answers(client):
                    return
                await asyncio.sleep(0.1)

    async def kill(self) -> None:
        """End it and all it started at once, as a machine does that runs out of memory."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        async with asyncio.timeout(_ENDS_WITHIN_S):
            await self.process.wait()

    async def aborted_count(self) -> int:
        """Return how many callers left before their answer was over, as the server itself counts."""
        return self._count(await self._metrics(), self.aborted)

    async def count(self, pattern: str) -> int:
        """Return the sum of the counts in /metrics that a pattern finds."""
        return self._count(await self._metrics(), pattern)

    async def sees_an_abort(self, before: int) -> None:
        """Wait until the server has counted a caller who left."""
        async with asyncio.timeout(_SEEN_WITHIN_S):
            while await self.aborted_count() <= before:  # noqa: ASYNC110 - another process counts
                await asyncio.sleep(0.05)

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        try:
            return (await client.get(self.health_url)).status_code == 200
        except httpx.TransportError:
            return False

    async def _metrics(self) -> str:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(self.metrics_url)).text

    @staticmethod
    def _count(metrics: str, pattern: str) -> int:
        return sum(int(float(count)) for count in re.findall(pattern, metrics, re.MULTILINE))


@dataclass
class VllmServer(ModelServer):
    """vLLM, whose counter of aborts counts no caller who hung up (0.32.0, seen 2026-11-21).

    What shows it is that nothing runs while most of the tokens that were asked for were never made.
    """

    long_tokens: int = 0
    _GENERATED = r"^vllm:generation_tokens_total\{[^}]*\} (\S+)"
    _RUNNING = r"^vllm:num_requests_(?:running|waiting)\{[^}]*\} (\S+)"

    async def aborted_count(self) -> int:
        """Return how many tokens were made until now."""
        return self._count(await self._metrics(), self._GENERATED)

    async def sees_an_abort(self, before: int) -> None:
        """Wait until nothing runs, and see that the answer was not made to its end."""
        async with asyncio.timeout(_SEEN_WITHIN_S):
            while self._count(metrics := await self._metrics(), self._RUNNING):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
        made = self._count(metrics, self._GENERATED) - before
        assert made < self.long_tokens, f"{made} tokens were made"


@dataclass
class GrpcServer(ModelServer):
    """A server of vLLM's own gRPC: it has no HTTP beside it, so its log tells whom it saw leave."""

    aborted: str = r"Request \S+ aborted\."

    async def aborted_count(self) -> int:
        """Return how many requests the server says it aborted."""
        return len(re.findall(self.aborted, self.log.read_text()))

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            try:
                return (await VllmEngineStub(channel).HealthCheck(HealthCheckRequest(), timeout=1.0)).healthy
            except grpc.aio.AioRpcError:
                return False


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
    return ModelServer(command, port, f"{base}/health", f"{base}/metrics", home / "words.log", env=env)


def word_grpc_server(home: Path) -> ModelServer:
    """The tests' own server of vLLM's gRPC."""
    port = free_port()
    command = (sys.executable, "-m", "tests.engines.word_grpc_server", str(port))
    return GrpcServer(command, port, "", "", home / "words-grpc.log", env={"PYTHONPATH": str(ROOT)})


def triton_server(home: Path) -> ModelServer:
    """A real Triton, from the wheel of pytriton, over a repository of Python models."""
    environment = BUILD / "triton"
    packages = environment / "lib" / "python3.11" / "site-packages"
    triton = packages / "pytriton" / "tritonserver"
    shutil.copytree(ENGINES / "triton_repository", home / "repository")
    shutil.copy(ENGINES / "word_model.py", home / "repository" / "chat" / "1")
    shutil.copy(ENGINES / "word_listener.py", home / "repository" / "hear" / "1")
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
    return ModelServer(command, grpc, health_url, metrics_url, home / "triton.log", env=env)


def vllm_server(home: Path, model: str, long_tokens: int) -> ModelServer:
    """A real vLLM; `long_tokens` of an answer are more than a disturbed one has."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    command = (*_serving(model, port), "--served-model-name", "chat")
    health_url, metrics_url = f"{base}/health", f"{base}/metrics"
    env = _vllm_environment(model)
    return VllmServer(command, port, health_url, metrics_url, home / "vllm.log", env=env, long_tokens=long_tokens)


def vllm_listening_server(home: Path) -> ModelServer:
    """A real vLLM over Whisper; it takes no longer context than Whisper's 448 tokens."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    command = (
        *(VLLM, "serve", VLLM_LISTENER, "--host", "127.0.0.1", "--port", str(port), "--served-model-name", "hear"),
        *("--max-model-len", "448", "--enforce-eager", "--dtype", "bfloat16"),
    )
    env = _vllm_environment(VLLM_LISTENER)
    health_url, metrics_url = f"{base}/health", f"{base}/metrics"
    return VllmServer(command, port, health_url, metrics_url, home / "vllm-hear.log", env=env, long_tokens=800)


def vllm_grpc_server(home: Path, model: str) -> ModelServer:
    """A real vLLM that serves its own gRPC, and reads the pictures itself."""
    port = free_port()
    command = (*_serving(model, port), "--grpc", "--mm-processor", "inprocess", "--enable-log-requests")
    return GrpcServer(command, port, "", "", home / "vllm-grpc.log", env=_vllm_environment(model))


def _serving(model: str, port: int) -> tuple[str, ...]:
    return (
        *(VLLM, "serve", model, "--host", "127.0.0.1", "--port", str(port)),
        *("--max-model-len", "8192", "--enforce-eager", "--dtype", "bfloat16"),
        # Where a schema allows any white space a small model may write nothing else until its limit.
        *("--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}'),
    )


def _vllm_environment(model: str) -> dict[str, str]:
    env = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    return env | ({"HF_HUB_OFFLINE": "1"} if Path(model).is_dir() else {})
