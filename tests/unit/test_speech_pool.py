"""The processes that listen: when they start and end, and what one bad recording can do."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from loupe.speech.v1.speech_pb2 import NoSpeechReason, TranscribeEnd
from servers.kit.errors import DamagedMedia, DeadlineExceeded, Overloaded, UpstreamUnavailable
from servers.speech.pool import Frame, WorkerPool, WorkerSpec
from tests import sounds

SILENCE = sounds.recorded(sounds.silence(1))


@asynccontextmanager
async def pool(*, max_waiting: int = 0, max_step_s: float = 60.0, idle_s: float = 60.0):
    made = WorkerPool(
        WorkerSpec(10 << 20, 600.0, 2048),
        workers=1,
        max_waiting=max_waiting,
        max_step_s=max_step_s,
        idle_s=idle_s,
    )
    try:
        yield made
    finally:
        await made.close()


async def frames(made: WorkerPool, recording: bytes = SILENCE) -> list[Frame]:
    async with aclosing(made.run("transcribe", recording)) as answer:
        return [frame async for frame in answer]


def children() -> set[int]:
    """Processes of this one that listen."""
    found = set()
    for pid in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
        if b"servers.speech.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
            found.add(int(pid))
    return found


async def gone(worker: int) -> None:
    async with asyncio.timeout(20):
        while worker in children():  # noqa: ASYNC110 - the system ends it
            await asyncio.sleep(0.01)


async def test_a_worker_starts_with_the_first_recording_stays_for_the_next_and_ends_when_idle():
    async with pool(idle_s=0.2) as made:
        assert children() == set()
        told, last = await frames(made)
        assert TranscribeEnd.FromString(told.payload).no_speech.reason == NoSpeechReason.NO_SPEECH_REASON_SILENCE
        assert last == Frame(True, b"")
        (worker,) = children()
        await frames(made)
        assert children() == {worker}
        await gone(worker)
        assert await frames(made) == [told, last]


async def test_a_worker_that_dies_costs_its_call_and_no_other():
    long = sounds.recorded(np.tile(sounds.go_forward(), 20), "flac")
    async with pool() as made:
        with pytest.raises(UpstreamUnavailable, match="ended unexpectedly"):
            async with aclosing(made.run("transcribe", long)) as answer:
                await anext(answer)
                (worker,) = children()
                os.kill(worker, signal.SIGKILL)
                async for _ in answer:
                    pass
        assert len(await frames(made)) == 2


async def test_who_leaves_ends_the_work_and_who_comes_meanwhile_is_told_to_come_again():
    long = sounds.recorded(np.tile(sounds.go_forward(), 20), "flac")
    async with pool() as made:
        async with aclosing(made.run("transcribe", long)) as answer:
            await anext(answer)
            (worker,) = children()
            with pytest.raises(Overloaded) as full:
                await frames(made)
            assert full.value.retry_after_s == 5.0
        await gone(worker)
        assert len(await frames(made)) == 2


async def test_a_step_that_takes_too_long_is_ended():
    long = sounds.recorded(np.tile(sounds.go_forward(), 20), "flac")
    async with pool(max_step_s=0.3) as made:
        with pytest.raises(DeadlineExceeded, match="took over"):
            await frames(made, long)


async def test_a_refused_recording_leaves_its_worker_to_the_next():
    async with pool() as made:
        with pytest.raises(DamagedMedia):
            await frames(made, SILENCE[:2000])
        (worker,) = children()
        assert len(await frames(made)) == 2
        assert children() == {worker}
