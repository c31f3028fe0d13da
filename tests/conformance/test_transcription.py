"""What every engine of transcription does alike, whoever hears."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
import pytest_asyncio

from servers.kit.errors import (
    DamagedMedia,
    DeadlineExceeded,
    InvalidField,
    NoCapableModel,
    UnsupportedMediaType,
    UpstreamUnavailable,
)
from tests.conformance.hearing import LONG, SHORT, TOO_LONG, Ear, listening
from tests.conformance.rigs import ENGINES, act
from tests.recordings import wav

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(
    params=[name for name in ENGINES if name in ("openai", "triton", "vllm")], scope="module", loop_scope="session"
)
async def ear(request):
    home = Path(tempfile.mkdtemp(prefix="loupe-"))  # short enough for sockets
    async with listening(request.param, home) as made:
        yield made
    if not request.session.testsfailed:  # its logs say why
        shutil.rmtree(home, ignore_errors=True)


async def test_what_is_said_comes_with_its_times_and_is_on_record(ear: Ear):
    act()
    made = await ear.hears(SHORT, language="en", wants_words=True)
    assert made.language == "en"
    assert made.usage.audio_s == 2.5
    assert not made.usage.is_estimated
    for timed in (made.segments, made.words):
        times = [(one.start.ToMilliseconds(), one.end.ToMilliseconds()) for one in timed]
        assert all(start <= end for start, end in times)
        assert all(before[0] <= after[0] for before, after in pairwise(times))
    row = await ear.used(made.call_id)
    assert (row.audio_s, row.cost_usd, row.is_estimated) == (2.5, "0.000250000", False)
    if ear.name != "vllm":  # random weights say what they say
        assert made.text == "the river rose in march"
        assert [one.text for one in made.segments] == ["the river rose in", "march"]
        assert [one.text for one in made.words] == ["the", "river", "rose", "in", "march"]


@pytest.mark.parametrize(
    "content", [b"no recording", SHORT[:30], SHORT[:22] + b"\x00" * 14, b"RIFF\x04\x00\x00\x00WAVEx"], ids=range(4)
)
async def test_what_is_no_recording_is_refused_and_the_next_is_heard(ear: Ear, content):
    act()
    with pytest.raises((UnsupportedMediaType, DamagedMedia)):
        await ear.hears(content)
    assert (await ear.hears(SHORT)).usage.audio_s == 2.5


async def test_what_only_the_model_finds_broken_is_refused_as_that(ear: Ear):
    act()
    with pytest.raises(InvalidField):
        await ear.hears(b"OggS" + bytes(2000))
    assert (await ear.hears(SHORT)).usage.audio_s == 2.5


async def test_a_recording_that_is_too_long_is_refused_before_anybody_is_asked(ear: Ear):
    act()
    with pytest.raises(NoCapableModel, match="the recording has 61 s, it takes 60"):
        await ear.hears(TOO_LONG)


async def test_recordings_at_the_same_time_are_each_heard_for_themselves(ear: Ear):
    act()
    made = await asyncio.gather(*(ear.hears(wav(seconds)) for seconds in (1.0, 2.0, 3.0)))
    assert [one.usage.audio_s for one in made] == [1.0, 2.0, 3.0]


async def test_a_listener_who_leaves_ends_the_model_s_work(ear: Ear):
    act()
    ear.proxy.arm(None)
    before = await ear.server.aborted_count()
    waiting = await ear.begins(LONG)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await ear.server.sees_an_abort(before)


async def test_the_call_s_time_ends_the_model_s_work(ear: Ear):
    act()
    before = await ear.server.aborted_count()
    act(for_s=0.5)
    with pytest.raises(DeadlineExceeded):
        await ear.hears(LONG)
    await ear.server.sees_an_abort(before)
    act()
    assert (await ear.hears(SHORT)).usage.audio_s == 2.5


@pytest.mark.parametrize("action", ["cut", "garbage", "stall", "drip"])
async def test_an_answer_whose_bytes_go_wrong_is_none_and_the_next_is_whole(ear: Ear, action):
    act(for_s=6 if ear.name == "vllm" else 2)  # which counts what runs a moment later
    ear.proxy.arm(None)
    waiting = await ear.begins(LONG)
    ear.proxy.break_now(action)
    with pytest.raises((UpstreamUnavailable, DeadlineExceeded)):
        await waiting
    ear.proxy.arm(None)
    act(for_s=30)
    assert (await heard(ear)).usage.audio_s == 2.5


async def test_a_server_killed_in_mid_answer_gives_none_and_hears_again_once_it_is_back(ear: Ear):
    act(for_s=20)
    ear.proxy.arm(None)
    waiting = await ear.begins(LONG)
    await ear.server.kill()
    with pytest.raises(UpstreamUnavailable):
        await waiting
    with pytest.raises(UpstreamUnavailable):
        await ear.hears(SHORT)
    await ear.server.start()
    act(for_s=60)
    assert (await heard(ear)).usage.audio_s == 2.5


async def heard(ear: Ear):
    """Return a transcription; a connection of before may have to be found dead first."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await ear.hears(SHORT)
            except (UpstreamUnavailable, DeadlineExceeded):
                await asyncio.sleep(0.1)
