"""Transcriptions through the router: the form that asks, what answers it, what it costs, and who is asked."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from loupe.router.v1.router_pb2 import (
    Audio,
    BreakerState,
    Switches,
    TranscribeRequest,
    Usage,
    UsageGroup,
)
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.kit.errors import (
    BudgetExhausted,
    DamagedMedia,
    InvalidField,
    NoCapableModel,
    Overloaded,
    TooLarge,
    UnsupportedMediaType,
    UpstreamUnavailable,
)
from servers.kit.files_client import FilesClient
from servers.router.cache import AnswerCache
from servers.router.configuration import Configuration, ModelSection
from servers.router.fleet import RunningModel
from servers.router.formats.languages import code_of
from servers.router.journal import Journal, read_segment
from servers.router.listing import list_models
from servers.router.prices import Prices
from servers.router.recordings import Length, container_of, length_of, with_content
from tests.fake_models import fake_models, http, raw, refusal, silence
from tests.recordings import flac_head, wav
from tests.routing import provider, routing

HEARD = {"name": "m", "transcription": True, "audio_usd_per_minute": "0.006"}
VERBOSE = {
    "task": "transcribe",
    "language": "english",
    "duration": "2.5",
    "text": "the river rose and fell",
    "segments": [
        {"id": 0, "start": 0.1, "end": 1.25, "text": "the river rose", "avg_logprob": -0.25, "no_speech_prob": 0.02},
        {"id": 1, "start": 1.5, "end": 2.5, "text": "and fell"},
    ],
    "words": [{"word": "the", "start": 0.1, "end": 0.25}],
}
ONCE = Switches(retry=False)


def says(body):
    return raw(http(200, json.dumps(body).encode()))


def asked(content=None, **more):
    fields: dict[str, Any] = {"model": "m", "audio": Audio(content=content or wav(1.0))}
    return TranscribeRequest(**(fields | more))


def form_of(request):
    """The fields of a form, by a parser that knows nothing of ours: name, headers, content."""
    boundary = request.headers["content-type"].partition("boundary=")[2].encode()
    *parts, last = request.body.split(b"--" + boundary)
    assert (parts[0], last) == (b"", b"--\r\n")
    fields = []
    for part in parts[1:]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        fields.append((head.decode(), content.removesuffix(b"\r\n")))
    return fields


async def test_a_recording_goes_out_as_a_form_and_comes_back_as_words_with_times_on_record(home):
    async with fake_models(says(VERBOSE)) as fake, routing(home, provider("a", fake.base_url, HEARD)) as it:
        content = wav(1.0)
        made = await it.transcriptions.transcribe(asked(content, language="pt-BR", wants_words=True, job_id="job_1"))
        assert made.text == "the river rose and fell"
        assert made.language == "en"
        assert [(one.text, one.start.ToMilliseconds(), one.end.ToMilliseconds()) for one in made.segments] == [
            ("the river rose", 100, 1250),
            ("and fell", 1500, 2500),
        ]
        assert (made.segments[0].mean_log_probability, made.segments[0].no_speech_probability) == (-0.25, 0.02)
        assert not made.segments[1].HasField("mean_log_probability")
        assert [(one.text, one.end.ToMilliseconds()) for one in made.words] == [("the", 250)]
        # Of a minute's price of 6 millions of 1e-9 dollars, 2.5 s.
        assert (made.usage.audio_s, made.usage.cost_usd, made.usage.is_estimated) == (2.5, "0.000250000", False)
        assert (made.decision.provider, made.decision.model) == ("a", "m")
        (request,) = fake.asked
        assert request.path == "/v1/audio/transcriptions"
        assert form_of(request) == [
            ('content-disposition: form-data; name="model"', b"m"),
            ('content-disposition: form-data; name="response_format"', b"verbose_json"),
            ('content-disposition: form-data; name="timestamp_granularities[]"', b"segment"),
            ('content-disposition: form-data; name="timestamp_granularities[]"', b"word"),
            ('content-disposition: form-data; name="language"', b"pt"),
            (
                'content-disposition: form-data; name="file"; filename="audio.wav"\r\ncontent-type: audio/wav',
                content,
            ),
        ]
        (row,) = await it.usage(group_by=UsageGroup.USAGE_GROUP_JOB)
        assert (row.job_id, row.audio_s, row.cost_usd, row.attempt_count) == ("job_1", 2.5, "0.000250000", 1)


async def test_times_are_asked_for_once_of_a_model_that_refuses_them(home):
    words = refusal(400, "timestamp_granularities: word is not supported", param="timestamp_granularities[]")
    verbose = refusal(400, "response_format 'verbose_json' is not compatible with model 'm'")
    plain = says({"text": "tea", "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 2}})
    async with (
        fake_models(words, verbose, plain) as fake,
        routing(home, provider("a", fake.base_url, HEARD | {"input_usd_per_mtok": "1"})) as it,
    ):
        made = await it.transcriptions.transcribe(asked(wants_words=True))
        assert (made.text, len(made.segments), made.usage.input_tokens) == ("tea", 0, 14)
        # The provider gave no length: ours is that of the samples.
        assert (made.usage.audio_s, made.usage.is_estimated, made.usage.cost_usd) == (1.0, False, "0.000114000")
        assert [dict(form_of(one))['content-disposition: form-data; name="response_format"'] for one in fake.asked] == [
            b"verbose_json",
            b"verbose_json",
            b"json",
        ]
        await it.transcriptions.transcribe(asked(wants_words=True))
        assert len(fake.asked) == 4  # it is known by now
        assert len(made.decision.attempts) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"text": None}, "is no transcription"),
        ({}, "is no transcription"),
        ({"text": "a", "duration": -1}, "is no transcription"),
        ({"text": "a", "duration": "nan"}, "is no transcription"),
        ({"text": "a", "duration": 1e12}, "is no transcription"),
        ({"text": "a", "usage": {"input_tokens": -4}}, "is no transcription"),
        ({"text": "a", "segments": [{"text": "a", "start": 0}]}, "is no transcription"),
        ({"text": "a", "segments": [{"text": "a", "start": 0, "end": None}]}, "is no transcription"),
        ({"text": "a", "segments": "soon"}, "is no transcription"),
        ({"text": "a", "words": [3]}, "is no transcription"),
        ({"error": {"message": "no", "code": 500}}, "an error within the answer"),
    ],
)
async def test_what_is_no_transcription_is_a_failure_of_its_provider(home, body, message):
    async with fake_models(says(body)) as fake, routing(home, provider("a", fake.base_url, HEARD)) as it:
        with pytest.raises(UpstreamUnavailable, match=message):
            await it.transcriptions.transcribe(asked(switches=ONCE))
        (row,) = await it.usage()
        assert (row.failed_attempt_count, row.audio_s, row.cost_usd) == (1, 0, "0.000000000")


async def test_times_that_run_backwards_are_left_out_and_the_words_stay(home):
    backwards = [{"text": "a", "start": 2, "end": 3}, {"text": "b", "start": 1, "end": 4}]
    inside_out = [{"text": "a", "start": 2, "end": 1}]
    for segments in (backwards, inside_out):
        body = {"text": "a b", "segments": segments, "words": [{"word": "a", "start": 0, "end": 0}]}
        async with fake_models(says(body)) as fake, routing(home, provider("a", fake.base_url, HEARD)) as it:
            made = await it.transcriptions.transcribe(asked())
            assert (made.text, len(made.segments), len(made.words)) == ("a b", 0, 1)


async def test_no_words_are_an_answer_and_not_a_failure(home):
    async with fake_models(says({"text": ""})) as fake, routing(home, provider("a", fake.base_url, HEARD)) as it:
        made = await it.transcriptions.transcribe(asked())
        assert (made.text, made.usage.audio_s) == ("", 1.0)


async def test_the_next_provider_is_asked_and_each_ask_is_on_record(home):
    async with (
        fake_models(refusal(503)) as broken,
        fake_models(says(VERBOSE)) as well,
        routing(home, provider("a", broken.base_url, HEARD), provider("b", well.base_url, HEARD)) as it,
    ):
        made = await it.transcriptions.transcribe(asked())
        assert [attempt.provider for attempt in made.decision.attempts] == ["a", "b"]
        rows = await it.usage(group_by=UsageGroup.USAGE_GROUP_MODEL)
        assert {row.provider: (row.failed_attempt_count, row.audio_s) for row in rows} == {"a": (1, 0), "b": (0, 2.5)}
        for _ in range(4):
            await it.transcriptions.transcribe(asked())
        states = {model.provider: model.breaker for model in list_models(it.fleet)}
        assert states == {"a": BreakerState.BREAKER_STATE_OPEN, "b": BreakerState.BREAKER_STATE_CLOSED}


async def test_a_provider_that_does_not_take_the_recording_says_so_of_the_recording(home):
    refused = refusal(400, "Invalid or unsupported audio file.")
    async with fake_models(refused) as fake, routing(home, provider("a", fake.base_url, HEARD)) as it:
        with pytest.raises(InvalidField) as caught:
            await it.transcriptions.transcribe(asked())
        assert caught.value.violations[0][0] == "audio"
        assert len(fake.asked) == 1


async def test_who_leaves_is_charged_for_the_recording_by_our_own_count(home):
    async with fake_models(silence()) as fake, routing(home, provider("a", fake.base_url, HEARD)) as it:
        waiting = asyncio.create_task(it.transcriptions.transcribe(asked(wav(1.5))))
        await asyncio.wait_for(fake.came.wait(), 10)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.wait_for(fake.gone.wait(), 10)
        (row,) = await it.usage()
        assert (row.audio_s, row.is_estimated, row.cost_usd) == (1.5, False, "0.000150000")


async def test_an_equal_recording_is_answered_from_the_cache(home):
    async with fake_models(says(VERBOSE)) as fake, routing(home, provider("a", fake.base_url, HEARD)) as it:
        cached = {"switches": Switches(cache=True)}
        await it.transcriptions.transcribe(asked(**cached))
        again = await it.transcriptions.transcribe(asked(**cached, job_id="job_2"))
        assert again.decision.is_cache_hit
        assert (again.text, len(again.segments), again.language) == ("the river rose and fell", 2, "en")
        assert (again.usage.audio_s, again.usage.cost_usd) == (2.5, "0.000000000")
        (row,) = await it.usage(group_by=UsageGroup.USAGE_GROUP_JOB, job_id="job_2")
        assert (row.cache_hit_count, row.audio_s, row.attempt_count) == (1, 0, 0)
        assert len(fake.asked) == 1
        await it.transcriptions.transcribe(asked(wav(2.0), **cached))
        await it.transcriptions.transcribe(asked(language="en", **cached))
        assert len(fake.asked) == 3


async def test_the_key_of_an_answer_holds_the_revision_and_what_was_asked(home):
    models = (HEARD | {"revision": "r1"}, HEARD | {"name": "n", "upstream": "m", "revision": "r1"})
    async with fake_models() as fake, routing(home, provider("a", fake.base_url, *models)) as it:
        first, second = it.fleet.models
        again = RunningModel(first.at, first.section.model_copy(update={"revision": "r2"}), first.counter)
        request = asked()
        keys = {AnswerCache.key("ann", model, request) for model in (first, second, again)}
        keys |= {AnswerCache.key("bob", first, request), AnswerCache.key("ann", first, asked(wants_words=True))}
        assert len(keys) == 5
        assert AnswerCache.key("ann", first, asked(job_id="job_1", switches=ONCE)) in keys


async def test_a_budget_counts_recordings(home):
    budget = {"name": "small", "limit_usd": "0.0004"}
    async with (
        fake_models(says(VERBOSE)) as fake,
        routing(home, provider("a", fake.base_url, HEARD), budgets=[budget]) as it,
    ):
        for _ in range(2):
            await it.transcriptions.transcribe(asked())
        with pytest.raises(BudgetExhausted, match=r"0\.000500000 of 0\.000400000 USD"):
            await it.transcriptions.transcribe(asked())


async def test_a_shadow_is_asked_beside_and_a_split_draws_by_weight(home):
    async with fake_models(says(VERBOSE)) as fake, fake_models(says(VERBOSE)) as other:
        route = {
            "name": "r",
            "policy": "split",
            "targets": [{"provider": "a", "model": "m", "arm": "old"}, {"provider": "b", "model": "m", "weight": 0}],
            "shadow": {"provider": "b", "model": "m", "share": 1.0},
        }
        providers = [provider("a", fake.base_url, HEARD), provider("b", other.base_url, HEARD)]
        async with routing(home, *providers, routes=[route]) as it:
            made = await it.transcriptions.transcribe(asked(model="r"))
            assert made.decision.arm == "old"
            await asyncio.wait_for(other.came.wait(), 10)
            async with asyncio.timeout(10):
                while it.shadows._running:  # noqa: ASYNC110 - its task ends by itself
                    await asyncio.sleep(0.01)
            rows = await it.usage(group_by=UsageGroup.USAGE_GROUP_MODEL)
            assert {(row.provider, row.is_shadow, row.audio_s) for row in rows} == {("a", False, 2.5), ("b", True, 2.5)}


async def test_who_can_is_told_by_what_a_model_serves_and_takes(home):
    models = (
        {"name": "chat"},
        {"name": "small", "transcription": True, "max_audio_bytes": 1000},
        {"name": "short", "transcription": True, "max_audio_s": 0.5},
    )
    async with fake_models(says(VERBOSE)) as fake, routing(home, provider("a", fake.base_url, *models)) as it:
        with pytest.raises(NoCapableModel, match="it serves chat"):
            await it.transcriptions.transcribe(asked(model="chat"))
        with pytest.raises(NoCapableModel, match="it serves transcription"):
            await it.complete(model="small")
        with pytest.raises(NoCapableModel, match="the recording has 16044 bytes, it takes 1000"):
            await it.transcriptions.transcribe(asked(model="small"))
        with pytest.raises(NoCapableModel, match=r"the recording has 1 s, it takes 0\.5"):
            await it.transcriptions.transcribe(asked(model="short"))
        # By an estimate alone nothing is too long.
        assert (await it.transcriptions.transcribe(asked(b"OggS" + bytes(20_000), model="short"))).text
        told = {model.name: model.capabilities.transcription for model in list_models(it.fleet)}
        assert told == {"a/chat": False, "a/small": True, "a/short": True}
        for content, error in ((b"no recording", UnsupportedMediaType), (wav()[:30], DamagedMedia)):
            with pytest.raises(error):
                await it.transcriptions.transcribe(asked(content, model="small"))
        assert len(fake.asked) == 1


def test_the_configuration_takes_one_task_a_model_and_refuses_where_nobody_could_do_it():
    section = {"name": "a", "kind": "anthropic", "base_url": "http://127.0.0.1:1", "models": [{"name": "m"}]}
    section["models"] = [{"name": "m", "transcription": True}]
    with pytest.raises(ValidationError, match="Anthropic's API writes no speech down"):
        Configuration.model_validate({"providers": [section]})
    with pytest.raises(ValidationError, match="transcription goes with no other serves"):
        ModelSection(name="m", transcription=True, serves="embeddings")
    with pytest.raises(ValidationError, match="more than 9 decimals"):
        ModelSection(name="m", audio_usd_per_minute=Decimal("0.0000000001"))


def test_audio_is_paid_by_the_millisecond_to_the_nearest_billionth_of_a_dollar():
    prices = Prices(ModelSection(name="m", audio_usd_per_minute=Decimal("0.0043")))
    assert prices.of_audio(60_000) == 4_300_000
    assert prices.of_audio(1) == 72  # 71.67
    assert prices.of(Usage(audio_s=0.001, input_tokens=3)) == 72
    half = Prices(ModelSection(name="m", audio_usd_per_minute=Decimal("0.00003")))
    assert [half.of_audio(ms) for ms in (1, 2, 3, 5)] == [0, 1, 2, 2]  # 0.5, 1, 1.5 and 2.5, halves to even


@pytest.mark.parametrize(
    ("content", "length"),
    [
        (wav(1.5), Length(1500, False)),
        (wav(0.25, kind=3), Length(250, False)),
        (wav(1.0, size=0), Length(1000, False)),  # recorders that were cut off leave it so
        (wav(1.0, size=0xFFFFFFFF), Length(1000, False)),
        (wav(1.0, size=8000), Length(500, False)),
        (wav(1.0)[:-8000], Length(500, False)),
        (wav(1.0, kind=85), Length(4011, True)),  # MP3 within a WAV: 16 044 bytes at 4000 a second
        (wav(1.0)[:12] + b"LIST\x03\x00\x00\x00abc\x00" + wav(1.0)[12:], Length(1000, False)),
        (flac_head(24_000), Length(1500, False)),
        (flac_head(0), Length(10, True)),
        (b"OggS" + bytes(3996), Length(1000, True)),
        (b"ID3" + bytes(3997), Length(1000, True)),
        (b"\xff\xfb\x90\x00" + bytes(3996), Length(1000, True)),
        (b"\x1a\x45\xdf\xa3" + bytes(3996), Length(1000, True)),
        (b"\x00\x00\x00\x18ftypM4A " + bytes(3988), Length(1000, True)),
    ],
)
def test_a_recording_s_length_is_read_from_its_header_or_estimated(content, length):
    assert length_of(content) == length


@pytest.mark.parametrize(
    "content",
    [
        b"RIFF\x00\x00\x00\x00WAVE",
        wav()[:20],
        wav()[:22] + b"\x00\x00" + wav()[24:],  # no channels
        b"RIFF\x00\x00\x00\x00WAVE" + b"junk\x00\x00\x00\x00" * 2000,
        flac_head(1)[:20],
        flac_head(2**36 - 1, 1),  # two thousand years
        b"fLaC\x04" + flac_head(1)[5:],
    ],
)
def test_a_header_that_can_not_be_is_damaged(content):
    with pytest.raises(DamagedMedia):
        length_of(content)


@pytest.mark.parametrize("content", [b"", b"%PDF", b"\xff\xd8\xff\xe0", b"\x00\x00\x00\x18ftypheic", b"\xff\xf1\x50"])
def test_what_is_no_recording_is_told_from_its_bytes(content):
    with pytest.raises(UnsupportedMediaType):
        container_of(content)


def test_languages_are_told_by_their_codes():
    told = ["english", "Haitian Creole", "en", "pt-BR", "klingon", ""]
    assert [code_of(one) for one in told] == ["en", "ht", "en", "pt-BR", "klingon", ""]


def test_a_row_that_an_older_version_left_in_its_journal_is_taken_in(home):
    journal = Journal(home / "journal")
    journal.open()
    journal.close()
    (path,) = journal.segments()
    old = dict.fromkeys(
        ("owner", "service", "job_id", "request_id", "asked_for", "provider", "model", "upstream_model", "revision"),
        "x",
    ) | {
        "call_id": "call_1",
        "number": 1,
        "arm": "",
        "is_shadow": False,
        "is_cache_hit": False,
        "outcome": "COMPLETE",
        "input_tokens": 7,
        "output_tokens": 2,
        "cached_input_tokens": 0,
        "is_estimated": False,
        "gpu_s": 0.5,
        "cost_nano_usd": 11,
        "duration_ms": 3,
        "start_time_ms": 1_700_000_000_000,
    }
    path.write_text(json.dumps(old) + "\n" + json.dumps(old | {"more": 1}) + "\n")
    (row,) = read_segment(path)
    assert (row.call_id, row.audio_ms) == ("call_1", 0)


async def test_recordings_in_work_have_a_limit_and_who_is_over_it_is_told_to_come_again(home):
    large = b"OggS" + bytes(600_000)  # of which the test's router has room for one
    async with fake_models(silence()) as fake, routing(home, provider("a", fake.base_url, HEARD)) as it:
        waiting = asyncio.create_task(it.transcriptions.transcribe(asked(large)))
        await asyncio.wait_for(fake.came.wait(), 10)
        with pytest.raises(Overloaded, match="recordings of 600004 bytes are in work, at most 1048576 are") as caught:
            await it.transcriptions.transcribe(asked(large))
        assert caught.value.retry_after_s == 1.0
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        fake.says(says(VERBOSE))
        assert (await it.transcriptions.transcribe(asked(large))).text


class Files(FilesClient):
    """The files server's side of a reference."""

    def __init__(self, content):
        self.content = content
        self.read_count = 0

    async def read(self, ref):
        self.read_count += 1
        return self.content


async def test_a_recording_by_reference_is_read_for_the_caller_and_none_that_is_too_large():
    files = Files(wav(0.5))
    request = asked(audio=Audio(file=FileRef(file_id="file_1")), language="en", wants_words=True, job_id="job_1")
    filled = await with_content(request, files, max_bytes=10_000)
    assert filled.audio.content == wav(0.5)
    filled.audio.CopyFrom(request.audio)
    assert filled == request
    with pytest.raises(TooLarge, match="file_1 has 8044 bytes, at most 8000"):
        await with_content(request, files, max_bytes=8000)
    assert files.read_count == 2
    request.audio.file.size_bytes = 10_001
    with pytest.raises(TooLarge, match="file_1 has 10001 bytes"):
        await with_content(request, files, max_bytes=10_000)
    assert files.read_count == 2  # what says that it is too large is not even read
