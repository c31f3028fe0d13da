"""What each part costs by itself."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from loupe.critic.v1.critic_pb2 import AuthorizeRunRequest, ReviewCodeRequest
from loupe.critic.v1.critic_service_pb2_grpc import CriticServiceStub
from loupe.files.v1.files_pb2 import GetFileRequest
from loupe.files.v1.files_service_pb2_grpc import FilesServiceStub
from loupe.sandbox.v1.sandbox_pb2 import RunCodeRequest, RunSpec
from loupe.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from loupe.type.v1.access_pb2 import Role
from sandbox.runtime import default_directory, find
from servers.kit.keys import KeyFolder
from servers.kit.tokens import ServiceClaims, sign_service_token
from tests.bench.table import Row, ratio, timing
from tests.bench.world import World
from tests.running import channel_with_key

HOP_CALLS = 400
RUNS = 12
IMPORTS = "import numpy, pandas, matplotlib.pyplot\n"
PROGRAM = (Path(__file__).parent / "program.txt").read_text()


async def hops(it: World) -> list[Row]:
    """The same unary call: straight to the server, through Envoy, and over REST; in turn, so that drift hits all."""
    request = GetFileRequest(file_id=it.picture.file_id)
    direct, envoy = FilesServiceStub(it.direct["files"]), FilesServiceStub(it.envoy)
    ways: dict[str, Callable[[], Awaitable[Any]]] = {
        "direct": lambda: direct.GetFile(request),
        "envoy": lambda: envoy.GetFile(request),
        "rest": lambda: it.rest.get(f"/v1/files/{it.picture.file_id}"),
    }
    took = await _in_turn(ways, HOP_CALLS)
    return [
        timing(
            "unary call, straight to the server", took["direct"], "files.GetFile, one connection, SQLite read included"
        ),
        timing("the same through Envoy", took["envoy"]),
        ratio("Envoy over direct", took["envoy"], took["direct"]),
        timing("the same over REST", took["rest"]),
        ratio("REST over direct", took["rest"], took["direct"]),
    ]


async def critic(it: World) -> list[Row]:
    """A verdict on a program of the usual size, never seen before, and on one seen before."""
    stub = CriticServiceStub(it.direct["critic"])
    number = iter(range(10**6))
    ways: dict[str, Callable[[], Awaitable[Any]]] = {
        "new": lambda: stub.ReviewCode(ReviewCodeRequest(source=f"{PROGRAM}\n# {next(number)}\n")),
        "known": lambda: stub.ReviewCode(ReviewCodeRequest(source=PROGRAM)),
    }
    took = await _in_turn(ways, 40)
    lines = len(PROGRAM.splitlines())
    return [
        timing(f"critic's verdict on {lines} new lines", took["new"]),
        timing("critic's verdict on the same lines again", took["known"]),
    ]


async def sandbox(it: World) -> list[Row]:
    """Submit to result in the sandbox, beside bare Python of the same runtime."""
    keys = KeyFolder(it.home / "keys")
    claims = ServiceClaims("orchestrator", "critic", "local", Role.ROLE_ANALYST)
    address = f"unix:{it.home}/run/critic.sock"
    python = str(_runtime_python())

    async def run(source: str) -> None:
        async with channel_with_key(address, sign_service_token(keys.private("orchestrator"), claims)) as channel:
            authorized = await CriticServiceStub(channel).AuthorizeRun(
                AuthorizeRunRequest(source=source, job_id="bench")
            )
        spec = RunSpec(source=source, critic_token=authorized.token)
        began = time.perf_counter()
        call = SandboxServiceStub(it.direct["sandbox"]).RunCode(iter([RunCodeRequest(spec=spec)]))
        async for response in call:
            if response.HasField("result"):
                took[hashlib.sha256(source.encode()).hexdigest()].append(time.perf_counter() - began)

    async def bare(source: str) -> None:
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(python, "-c", source, stdout=asyncio.subprocess.DEVNULL)
        assert await process.wait() == 0
        took[f"bare {source}"].append(time.perf_counter() - began)

    sources = ("print(1)\n", IMPORTS)
    digests = {source: hashlib.sha256(source.encode()).hexdigest() for source in sources}
    took: dict[str, list[float]] = {name: [] for s in sources for name in (digests[s], f"bare {s}")}
    for _ in range(RUNS):
        for source in sources:
            await run(source)
            await bare(source)
    return [
        timing("sandbox, `print(1)`, submit to result", took[digests["print(1)\n"]]),
        timing("bare `python -c 'print(1)'`", took["bare print(1)\n"]),
        timing("sandbox, numpy + pandas + matplotlib imported", took[digests[IMPORTS]]),
        timing("bare python, the same imports", took[f"bare {IMPORTS}"]),
        ratio("sandbox over bare, with imports", took[digests[IMPORTS]], took[f"bare {IMPORTS}"]),
    ]


def _runtime_python() -> Path:
    return find(default_directory()).path / "bin" / "python"


async def _in_turn(ways: dict[str, Callable[[], Awaitable[Any]]], count: int) -> dict[str, list[float]]:
    for way in ways.values():
        for _ in range(5):
            await way()
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(count):
        for name, way in ways.items():
            began = time.perf_counter()
            await way()
            took[name].append(time.perf_counter() - began)
    return took
