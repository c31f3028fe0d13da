"""One run from its program to its result, whatever the runner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Outcome, RunCodeResponse, RunResult
from sandbox.collection import Collector, Harvest
from sandbox.lifetimes import to_the_end
from sandbox.limits import KIB
from sandbox.runners.base import Ending, Program, Run
from sandbox.sessions import Session
from sandbox.wire_time import duration

_MOST_RESULT_BYTES = 960 * KIB
"""No unary message is over 1 MiB anywhere, and the runner's name and the session's standing are still to come."""


async def execute(
    run_in: AbstractAsyncContextManager[Run], program: Program, session: Session | None = None
) -> AsyncGenerator[RunCodeResponse, None]:
    """Yield what a program writes, then its artifacts, then its result. Leaving early kills the program.

    Args:
      run_in: starts it, in a sandbox of its own or in the session's.
    Raises:
      SandboxBroken: the sandbox could not be made, or the session has ended.
    """
    inputs = {item.name for item in program.inputs}
    if session:
        session.input_names |= inputs
        inputs = session.input_names
    async with run_in as run:
        async for chunk in run.output():
            yield RunCodeResponse(output=chunk)
        ending = await run.ending()
        collector = Collector(
            run.work_fd,
            inputs=inputs,
            captured=ending.captured,
            limits=program.limits,
            known=session.versions if session else None,
        )
        # Thousands of files take longer than an event loop should wait.
        await to_the_end(asyncio.to_thread(collector.find))
        for piece in collector.chunks():
            yield RunCodeResponse(artifact=piece)
    result = result_of(ending, collector.harvest)
    if session:
        session.versions = collector.versions
        result.session.CopyFrom(session.state())
    yield RunCodeResponse(result=result)


def result_of(ending: Ending, harvest: Harvest) -> RunResult:
    """Return the terminal message, within its bound."""
    if ending.is_stopped:
        outcome = Outcome.OUTCOME_LIMIT_EXCEEDED
    elif ending.exit_code == 0:
        outcome = Outcome.OUTCOME_COMPLETED
    else:
        outcome = Outcome.OUTCOME_FAILED
    exceeded = ending.exceeded
    if not exceeded and harvest.has_left_out:
        exceeded = LimitKind.LIMIT_KIND_ARTIFACTS
    result = RunResult(
        outcome=outcome,
        exit_code=ending.exit_code,
        signal=ending.signal,
        exceeded=exceeded,
        wall_time=duration(ending.wall_s),
        cpu_time=duration(ending.cpu_s),
        peak_memory_kib=ending.peak_memory_kib,
        artifacts=harvest.artifacts,
        error=ending.error,
        notes=[*ending.notes, *harvest.notes],
        value=ending.value,
    )
    for drawn in ending.figures:
        figure = result.figures.add()
        figure.CopyFrom(drawn.data)
        figure.artifact_names.extend(harvest.names[path] for path in drawn.files if path in harvest.names)
    for part in ("figures", "value"):
        if result.ByteSize() > _MOST_RESULT_BYTES:
            # Only a forged report holds this much.
            result.ClearField(part)
            result.notes.append(f"the {part} shown are left out: the result would be over {_MOST_RESULT_BYTES} bytes")
    return result
