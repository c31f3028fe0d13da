"""What each part costs by itself."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from loupe.critic.v1.critic_pb2 import ReviewCodeRequest
from loupe.critic.v1.critic_service_pb2_grpc import CriticServiceStub
from loupe.files.v1.files_pb2 import GetFileRequest
from loupe.files.v1.files_service_pb2_grpc import FilesServiceStub
from tests.bench.table import Row, ratio, timing
from tests.bench.world import World

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
