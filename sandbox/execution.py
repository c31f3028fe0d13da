"""One run from its program to its result, whatever the runner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from google.protobuf.duration_pb2 import Duration

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Outcome, RunCodeResponse, RunResult
from sandbox.collection import Collector, Harvest
from sandbox.lifetimes import to_the_end
from sandbox.runners.base import Ending, Program, Runner


async def execute(runner: Runner, program: Program, runtime_digest: str) -> AsyncGenerator[RunCodeResponse, None]:
    """Yield what a program writes, then its artifacts, then its result. Leaving early kills the program.

    Raises:
      SandboxBroken: the sandbox could not be made.
    """
    async with runner.start(program) as run:
        async for chunk in run.output():
            yield RunCodeResponse(output=chunk)
        ending = await run.ending()
        collector = Collector(
            run.work_fd,
            inputs={item.name for item in program.inputs},
            figures=ending.figures,
            limits=program.limits,
        )
        # Thousands of files take longer than an event loop should wait.
        await to_the_end(asyncio.to_thread(collector.find))
        for piece in collector.chunks():
            yield RunCodeResponse(artifact=piece)
    result = _result(ending, collector.harvest)
    result.runner, result.runtime_digest = f"{runner.name} {runner.version}", runtime_digest
    yield RunCodeResponse(result=result)


def _result(ending: Ending, harvest: Harvest) -> RunResult:
    if ending.is_stopped:
        outcome = Outcome.OUTCOME_LIMIT_EXCEEDED
    elif ending.exit_code == 0:
        outcome = Outcome.OUTCOME_COMPLETED
    else:
        outcome = Outcome.OUTCOME_FAILED
    exceeded = ending.exceeded
    if not exceeded and harvest.has_left_out:
        exceeded = LimitKind.LIMIT_KIND_ARTIFACTS
    return RunResult(
        outcome=outcome,
        exit_code=ending.exit_code,
        signal=ending.signal,
        exceeded=exceeded,
        wall_time=_duration(ending.wall_s),
        cpu_time=_duration(ending.cpu_s),
        peak_memory_kib=ending.peak_memory_kib,
        artifacts=harvest.artifacts,
        error=ending.error,
        notes=[*ending.notes, *harvest.notes],
    )


def _duration(seconds: float) -> Duration:
    nanos = round(seconds * 1e9)
    return Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)
