"""Whisper in the server's own process: a tiny model of random weights, whose words mean nothing and whose times do."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loupe.type.v1.engine_pb2 import EngineState
from servers.kit.errors import InvalidField, NotReady, Overloaded
from servers.kit.models.in_process import LocalModel
from servers.speech.engines.whisper import WhisperModel
from servers.speech.pieces import Piece
from tests.conformance.rigs import TINY_MODELS, act

WHISPER = TINY_MODELS / "whisper"


def piece(seconds: float = 6.0, start_s: float = 3.0, seed: int = 1) -> Piece:
    """A piece of noise, all of it taken for speech."""
    samples = np.random.default_rng(seed).normal(0, 2000, round(seconds * 16_000)).astype("<i2")
    return Piece(round(start_s * 16_000), ((0, len(samples)),), samples.tobytes())


@asynccontextmanager
async def whisper(folder: Path = WHISPER, **more: Any):
    act()
    model = WhisperModel(LocalModel(folder, "tiny-whisper", **more))
    await model.start()
    try:
        yield model
    finally:
        await model.close()


async def test_a_piece_is_written_down_with_times_of_the_recording_and_a_language():
    async with whisper() as model:
        assert (await model.status()).state == EngineState.ENGINE_STATE_STARTING
        written = await model.write(piece(), "")
        assert (written.language, written.language_confidence) == ("en", 1.0)  # it knows no other
        assert written.engine.name == "transformers"
        assert written.engine.model == "tiny-whisper"
        for segment in written.segments:
            assert 3000 <= segment.start.ToMilliseconds() <= segment.end.ToMilliseconds() <= 9000
            assert 0 < segment.confidence <= 1
            assert segment.text
        assert await model.write(piece(), "") == written
        status = await model.status()
        assert status.state == EngineState.ENGINE_STATE_READY
        assert 0.1 < status.memory_mib < 5


async def test_a_language_that_the_model_does_not_know_is_an_invalid_field():
    async with whisper() as model:
        with pytest.raises(InvalidField, match="does not know 'de-AT'; it knows en"):
            await model.write(piece(), "de-AT")
        await model.write(piece(), "en-GB")


async def test_a_cancelled_piece_stops_at_its_next_token_and_the_next_one_is_written_down():
    async with whisper(is_lazy=False) as model:
        first = asyncio.create_task(model.write(piece(29), "en"))
        second = asyncio.create_task(model.write(piece(29), "en"))
        while model.in_work < 2:  # noqa: ASYNC110 - it becomes so at its first step
            await asyncio.sleep(0)
        first.cancel()
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        async with asyncio.timeout(10):
            await model.write(piece(1), "en")
        assert model.in_work == 0


async def test_a_queue_has_an_end():
    async with whisper(is_lazy=False, queue_size=1) as model:
        asked = [asyncio.create_task(model.write(piece(29), "en")) for _ in range(2)]
        while model.in_work < 2:  # noqa: ASYNC110 - it becomes so at its first step
            await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await model.write(piece(), "en")
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


async def test_a_model_that_is_no_whisper_and_one_with_cut_weights_are_refused(tmp_path):
    with pytest.raises(NotReady, match="is mistral; speech is written down by Whisper"):
        async with whisper(TINY_MODELS / "mistral", is_lazy=False):
            pass
    cut = tmp_path / "cut"
    shutil.copytree(WHISPER, cut)
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(NotReady, match="damaged"):
        async with whisper(cut):
            pass


async def test_too_little_memory_is_told_in_figures():
    with pytest.raises(NotReady, match=r"0\.0 GiB free"):
        async with whisper(memory_limit_mib=1):
            pass
