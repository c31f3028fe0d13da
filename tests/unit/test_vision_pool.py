"""The pool of reading processes: bounded, replaced after a crash, freed by cancelling."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import numpy as np
import pytest

import servers
from loupe.vision.v1.vision_pb2 import AnalyzeImageResponse
from servers.kit.errors import (
    DamagedMedia,
    DeadlineExceeded,
    NotReady,
    Overloaded,
    TooManyPixels,
    UnsupportedMediaType,
    UpstreamUnavailable,
)
from servers.vision.pool import WorkerPool, WorkerSpec
from tests.vision_pictures import encoded, text_picture

SPEC = WorkerSpec(max_bytes=10_000_000, max_pixels=6_000_000, memory_mib=2048)
PICTURE = encoded(text_picture([(40, 30, "Total 93%")], size=(240, 90)))


@pytest.fixture
async def pool():
    made = WorkerPool(SPEC, workers=1, max_waiting=1, max_task_s=60)
    await made.start()
    yield made
    await made.close()


def pid_of(pool):
    (worker,) = pool._alive
    return worker._process.pid


async def analyze(pool, image=PICTURE):
    return AnalyzeImageResponse.FromString(await pool.run("analyze", b"", image))


async def until_it_works(pool):
    """Let the call that was just made take the only worker."""
    await asyncio.sleep(0)
    assert pool._idle.empty()


async def test_an_image_is_read_in_another_process(pool):
    answer = await analyze(pool)
    assert [block.text for block in answer.text_blocks] == ["Total 93%"]
    assert pid_of(pool) != os.getpid()


async def test_the_same_bytes_give_the_same_bytes(pool):
    assert await pool.run("analyze", b"", PICTURE) == await pool.run("analyze", b"", PICTURE)


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (b"not an image", UnsupportedMediaType),
        (PICTURE[: len(PICTURE) // 2], DamagedMedia),
        (encoded(np.zeros((3000, 3000, 3), np.uint8)), TooManyPixels),
    ],
)
async def test_a_refusal_is_the_callers_error_and_the_worker_lives(pool, image, error):
    before = pid_of(pool)
    with pytest.raises(error):
        await analyze(pool, image)
    assert pid_of(pool) == before


async def test_a_crash_costs_one_call_and_the_worker_is_replaced(pool):
    before = pid_of(pool)
    os.kill(before, signal.SIGSTOP)
    call = asyncio.create_task(analyze(pool))
    await until_it_works(pool)
    os.kill(before, signal.SIGKILL)
    with pytest.raises(UpstreamUnavailable, match="ended unexpectedly"):
        await call
    assert (await analyze(pool)).caption.startswith("Text of 2 words")
    assert pid_of(pool) != before


async def test_a_full_pool_answers_overloaded_with_a_time_to_come_again(pool):
    os.kill(pid_of(pool), signal.SIGSTOP)
    working = asyncio.create_task(analyze(pool))
    await until_it_works(pool)
    waiting = asyncio.create_task(analyze(pool))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await analyze(pool)
    assert refused.value.retry_after_s == 2.0
    os.kill(pid_of(pool), signal.SIGCONT)
    assert await working == await waiting


async def test_a_cancelled_call_frees_its_place(pool):
    before = pid_of(pool)
    os.kill(before, signal.SIGSTOP)
    call = asyncio.create_task(analyze(pool))
    await until_it_works(pool)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await analyze(pool)).width_px == 240
    assert pid_of(pool) != before


async def test_a_waiting_call_that_is_cancelled_leaves_the_queue(pool):
    os.kill(pid_of(pool), signal.SIGSTOP)
    working = asyncio.create_task(analyze(pool))
    await until_it_works(pool)
    for _ in range(3):
        waiting = asyncio.create_task(analyze(pool))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    os.kill(pid_of(pool), signal.SIGCONT)
    assert (await working).width_px == 240


async def test_an_image_that_takes_too_long_is_given_up():
    pool = WorkerPool(SPEC, workers=1, max_waiting=0, max_task_s=0.05)
    await pool.start()
    try:
        os.kill(pid_of(pool), signal.SIGSTOP)
        with pytest.raises(DeadlineExceeded, match="took over"):
            await analyze(pool)
    finally:
        await pool.close()


async def test_too_little_memory_is_an_error_of_the_image():
    pool = WorkerPool(
        WorkerSpec(max_bytes=50_000_000, max_pixels=100_000_000, memory_mib=900),
        workers=1,
        max_waiting=0,
        max_task_s=60,
    )
    await pool.start()
    try:
        with pytest.raises((TooManyPixels, UpstreamUnavailable)):
            await analyze(pool, encoded(np.zeros((9000, 9000, 3), np.uint8)))
        assert (await analyze(pool)).width_px == 240
    finally:
        await pool.close()


async def test_missing_recognition_weights_are_not_ready(monkeypatch, tmp_path):
    root = Path(servers.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{root}")
    (tmp_path / "sitecustomize.py").write_text(
        "import pathlib\nimport servers.vision.text.recogniser as r\nr._MODEL = pathlib.Path('none')\n",
        encoding="utf8",
    )
    pool = WorkerPool(SPEC, workers=1, max_waiting=0, max_task_s=1)
    try:
        with pytest.raises(NotReady, match="weights of text recognition"):
            await pool.start()
    finally:
        await pool.close()


async def test_closing_ends_every_worker():
    pool = WorkerPool(SPEC, workers=2, max_waiting=0, max_task_s=60)
    await pool.start()
    processes = [worker._process for worker in pool._alive]
    await pool.close()
    assert [process.returncode for process in processes] == [-signal.SIGKILL] * 2
