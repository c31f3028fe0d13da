"""The router beside what people would use in its place, all in front of the same instant model.

Alone in about a minute and a half: `python -m tests.bench.router`.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.bench.router_subjects import Subject, answers, fastapi, free_port, litellm, loupe, process_of
from tests.bench.table import Row, print_table

CONNECTIONS = (1, 16, 64)
SECONDS = 2.5
WARM_S = 1.5
STREAMS = 200


@dataclass(frozen=True)
class Measured:
    """What one subject did."""

    rps: dict[int, float]
    p50_s: float
    """At one connection."""

    cpu_s: float
    """Of a request, at 64 connections."""

    first_token_s: float | None
    """Of a stream, at one connection; None where that was not measured."""


async def router() -> list[Row]:
    """Measure all, one after the other, in front of one model."""
    folder = Path(tempfile.mkdtemp(prefix="loupe-router-"))
    try:
        async with AsyncExitStack() as stack:
            model_port = free_port()
            pid = await stack.enter_async_context(
                process_of(sys.executable, "-m", "tests.bench.instant_model", str(model_port))
            )
            model = Subject("the instant model itself", f"127.0.0.1:{model_port}", processes=(pid,))
            await answers(model)
            found = {"model": await _measure(model, streams=True)}
            async with loupe(folder / "home", model_port) as (direct, through_envoy):
                found["router"] = await _measure(direct, streams=True)
                found["gateway"] = await _measure(through_envoy, streams=True)
            async with fastapi(folder, model_port) as subject:
                found["fastapi"] = await _measure(subject)
            async with litellm(folder, model_port) as subject:
                found["litellm"] = await _measure(subject)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _rows(found)


def _rows(found: Mapping[str, Measured]) -> list[Row]:
    model = found["model"]
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
            f"at {' / '.join(map(str, CONNECTIONS))} connections; {one.cpu_s * 1e6:.0f} µs CPU a request; "
            f"p50 at one {(one.p50_s - model.p50_s) * 1000:+.2f} ms{_first_token(one, model)}",
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


def _first_token(one: Measured, model: Measured) -> str:
    if one.first_token_s is None or model.first_token_s is None:
        return ""
    return f"; first token of a stream {(one.first_token_s - model.first_token_s) * 1000:+.2f} ms"


async def _measure(subject: Subject, *, streams: bool = False) -> Measured:
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
    first_token_s = None
    if streams:
        first_token_s = float(await _told(subject, "first_token", subject.address, str(STREAMS), subject.key))
    return Measured(rps, p50_s, cpu_s, first_token_s)


async def _load(subject: Subject, connections: int, seconds: float) -> dict[str, float]:
    arguments = (subject.address, str(connections), str(seconds), subject.key)
    told: dict[str, float] = json.loads(await _told(subject, "http_load", *arguments))
    return told


async def _told(subject: Subject, program: str, *arguments: str) -> bytes:
    """Return what a program of this folder prints."""
    command = (sys.executable, "-m", f"tests.bench.{program}", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{subject.name} failed under load")
    return out


def _cpu_s(subject: Subject) -> float:
    total = 0.0
    for pid in subject.processes:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            times = one.cpu_times()
            total += times.user + times.system
    return total


if __name__ == "__main__":
    print_table(asyncio.run(router()))
