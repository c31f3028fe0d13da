"""A job's steps as they happen, each once and in order, also across broken connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeVar, cast

import grpc

from cli.connection import MAX_ATTEMPTS, Connection, pause_s, reason_of
from loupe.orchestrator.v1.orchestrator_pb2 import (
    GetJobRequest,
    JobSpec,
    JobState,
    RunJobRequest,
    RunJobResponse,
    WatchJobRequest,
    WatchJobResponse,
)
from servers.kit.ids import new_id

TERMINAL = frozenset({JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED})
SILENCE_LIMIT_S = 50.0
"""A stream that says nothing for three heartbeats is dead, whatever its connection says."""

MOST_BREAKS = 14
"""In a row, of a stream that worked before: most of a minute, in which a mesh that was killed is back."""

# What a stream ends with when something on its way was restarted.
_BREAKS = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
    }
)
_PASSING_REASONS = frozenset({"", "OVERLOADED", "UPSTREAM_UNAVAILABLE", "STORAGE_UNAVAILABLE"})


M = TypeVar("M")


async def run_job(connection: Connection, spec: JobSpec) -> AsyncIterator[RunJobResponse]:
    """Create a job and yield its messages until the terminal step.

    Raises:
      AioRpcError: the job was refused, or the connection broke and would not come back.
    """
    # With one id for all attempts the job is created once, however often the connection breaks.
    request = RunJobRequest(request_id=new_id("run"), spec=spec)
    job_id, seen = "", 0
    breaks = _Breaks()
    while not job_id:
        try:
            async for response in _in_time(connection.jobs.RunJob(request, metadata=connection.metadata)):
                job_id = response.job.job_id or job_id
                seen = response.step.sequence or seen
                yield response
                if response.step.job_state in TERMINAL:
                    return
        except grpc.aio.AioRpcError as error:
            await breaks.wait_after(error)
    async for watched in _watched(connection, job_id, seen, _Breaks(is_known=True)):
        if watched.HasField("step"):
            yield RunJobResponse(step=watched.step)
        else:
            yield RunJobResponse(heartbeat=watched.heartbeat)


async def watch_job(connection: Connection, job_id: str, after_sequence: int) -> AsyncIterator[WatchJobResponse]:
    """Yield a job's steps after a number, until the terminal step. Raises as `run_job`."""
    async for response in _watched(connection, job_id, after_sequence, _Breaks()):
        yield response


async def _watched(
    connection: Connection, job_id: str, after_sequence: int, breaks: _Breaks
) -> AsyncIterator[WatchJobResponse]:
    seen = after_sequence
    while True:
        request = WatchJobRequest(job_id=job_id, after_sequence=seen)
        try:
            async for response in _in_time(connection.jobs.WatchJob(request, metadata=connection.metadata)):
                breaks.forget()
                seen = response.step.sequence or seen
                yield response
                if response.step.job_state in TERMINAL:
                    return
            # A clean end may hide a break: what the job says of itself tells the two apart.
            told = await connection.jobs.GetJob(GetJobRequest(job_id=job_id), metadata=connection.metadata)
            if told.job.state in TERMINAL and told.job.last_sequence <= seen:
                return
        except grpc.aio.AioRpcError as error:
            await breaks.wait_after(error)


class _Breaks:
    """Counts the breaks in a row, and ends the waiting when they are too many."""

    def __init__(self, *, is_known: bool = False) -> None:
        """Take whether the job is known to be there."""
        self._count = 0
        self._is_known = is_known

    def forget(self) -> None:
        """Count from nought: the stream works."""
        self._count = 0
        self._is_known = True

    async def wait_after(self, error: grpc.aio.AioRpcError) -> None:
        """Wait before the next attempt, longer each time; raise the error where waiting won't help."""
        is_break = error.code() in _BREAKS and reason_of(error) in _PASSING_REASONS
        if not is_break or self._count == (MOST_BREAKS if self._is_known else MAX_ATTEMPTS):
            raise error
        await asyncio.sleep(pause_s(error, self._count))
        self._count += 1


async def _in_time(call: grpc.aio.UnaryStreamCall[Any, M]) -> AsyncIterator[M]:
    """Yield a stream's messages; a stream that falls silent ends."""
    try:
        while True:
            async with asyncio.timeout(SILENCE_LIMIT_S):
                message = await call.read()
            if message is grpc.aio.EOF:
                return
            yield cast("M", message)
    except TimeoutError:
        return
    finally:
        call.cancel()
