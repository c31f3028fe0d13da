"""Speech written down by a model: the real server behind a real router, in front of a model server with a script."""

from __future__ import annotations

import asyncio
import json
import wave
from contextlib import AsyncExitStack
from email.parser import BytesParser
from io import BytesIO
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytest_asyncio

from loupe.files.v1.files_service_pb2_grpc import FilesServiceStub
from loupe.speech.v1.speech_pb2 import GetEngineRequest, NoSpeechReason, StreamTranscribeRequest, TranscribeRequest
from loupe.speech.v1.speech_service_pb2_grpc import SpeechServiceStub
from loupe.type.v1.engine_pb2 import EngineState
from tests import sounds
from tests.contract.test_speech_server import reason_of, transcribed, upload
from tests.fake_models import Answer, Asked, fake_models, http, raw, refusal, silence
from tests.running import channel_with_key, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

GO = sounds.go_forward()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(module_home: Path):
    """(model server, files, speech that falls back, speech that doesn't)."""
    async with AsyncExitStack() as stack:
        models = await stack.enter_async_context(fake_models())
        (module_home / "router.toml").write_text(
            f'[[providers]]\nname = "gpu"\nkind = "openai"\nbase_url = "{models.base_url}"\nbreaker_failures = 1000\n'
            '[[providers.models]]\nname = "whisper"\nrevision = "r3"\ntranscription = true\n'
        )
        sockets = {name: f"unix:{module_home}/run/{name}.sock" for name in ("files", "router")}
        environment = {f"LOUPE_{name.upper()}_ADDRESS": address for name, address in sockets.items()}
        for name, address in sockets.items():
            await stack.enter_async_context(running(name, module_home, environment, listen=address))
        asks = environment | {"LOUPE_SPEECH_ENGINE": "routed", "LOUPE_SPEECH_MODEL": "whisper"}
        both = [asks | {"LOUPE_SPEECH_FALLBACK": "builtin"}, asks]
        servers = [await stack.enter_async_context(running("speech", module_home, one)) for one in both]
        lenient, strict = [await stack.enter_async_context(server.channel()) for server in servers]
        files = await stack.enter_async_context(channel_with_key(sockets["files"], servers[0].key))
        yield models, FilesServiceStub(files), SpeechServiceStub(lenient), SpeechServiceStub(strict)


def said(*segments: tuple[str, float, float], language: str = "english", words: Any = (), **more: Any) -> Answer:
    """A transcription as vLLM gives it: text and times of each segment."""
    told = {"avg_logprob": -0.1, "no_speech_prob": 0.01} | more
    body = {
        "text": " ".join(text for text, _, _ in segments),
        "language": language,
        "duration": 3.0,
        "segments": [{"text": text, "start": start, "end": end} | told for text, start, end in segments],
        "words": [{"word": word, "start": start, "end": end} for word, start, end in words],
    }
    return raw(http(200, json.dumps(body).encode()))


def heard(asked: Asked) -> wave.Wave_read:
    """The recording that the model server was sent."""
    head = f"content-type: {asked.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + asked.body)
    contents = [bytes(part.get_payload(decode=True) or b"") for part in message.walk() if not part.is_multipart()]
    (content,) = [content for content in contents if content.startswith(b"RIFF")]
    return wave.open(BytesIO(content), "rb")


async def test_a_piece_goes_to_the_model_as_sound_and_comes_back_with_times_of_the_recording(world):
    models, files, speech, _ = world
    models.says(said(("Go forward, ten metres.", 0.5, 2.0), words=[("Go", 0.5, 0.7), ("metres.", 1.5, 2.0)]))
    recording = sounds.recorded(np.concatenate([sounds.silence(10), GO]))
    answer = await transcribed(files, speech, recording)
    (segment,) = answer.transcript.segments
    assert segment.text == "Go forward, ten metres."
    # The voice begins 0.44 s into the clip, a fifth of a second before that is kept with it.
    begin_ms = segment.start.ToMilliseconds() - 500
    assert begin_ms == pytest.approx(10_200, abs=250)
    assert segment.end.ToMilliseconds() == begin_ms + 2000
    assert [(word.text, word.start.ToMilliseconds() - begin_ms) for word in segment.words] == [
        ("Go", 500),
        ("metres.", 1500),
    ]
    assert segment.confidence == 0.905  # exp(-0.1)
    assert (answer.transcript.language, answer.transcript.language_confidence) == ("en", 0.0)
    engine = answer.engine
    assert (engine.name, engine.model, engine.revision, engine.degraded_reason) == ("routed", "gpu/whisper", "r3", "")
    with heard(models.asked[0]) as sent:
        assert (sent.getframerate(), sent.getnchannels(), sent.getsampwidth()) == (16_000, 1, 2)
        assert 1.5 < sent.getnframes() / 16_000 < 3


async def test_a_long_recording_goes_in_pieces_of_at_most_thirty_seconds_cut_at_pauses(world):
    models, files, speech, _ = world
    models.says(said(("one", 0.2, 1.0)))
    spoken = np.tile(np.concatenate([GO, sounds.silence(1)]), 14)  # 53 s
    request = StreamTranscribeRequest(request=TranscribeRequest(file=await upload(files, sounds.recorded(spoken))))
    events = [event async for event in speech.StreamTranscribe(request)]
    assert [event.segment.id for event in events[:-1]] == ["s1", "s2"]
    lengths = []
    for asked in models.asked:
        with heard(asked) as sent:
            lengths.append(sent.getnframes() / 16_000)
            pieces = np.frombuffer(sent.readframes(sent.getnframes()), np.int16)
            assert np.abs(pieces[:800]).max() < 300  # begins in a pause
    assert len(lengths) == 2
    assert max(lengths) <= 30
    cost = events[-1].end.cost
    assert (cost.ask_count, cost.untold_ask_count, cost.audio_s) == (2, 0, 6.0)  # as the provider says: 3 s each
    # What the first piece is in is told with the second.
    assert b"\r\n\r\nen\r\n" in models.asked[1].body
    assert b'name="language"' not in models.asked[0].body


async def test_what_a_model_makes_up_where_nobody_speaks_is_left_out(world):
    models, files, speech, _ = world
    models.says(said(("Thank you for watching!", 0.5, 2.0), avg_logprob=-1.4, no_speech_prob=0.9))
    answer = await transcribed(files, speech, sounds.recorded(GO))
    assert answer.no_speech.reason == NoSpeechReason.NO_SPEECH_REASON_NO_WORDS

    gap = np.concatenate([GO, sounds.silence(3), GO])
    models.says(said(("Go forward.", 0.3, 2.0), ("Subtitles by nobody", 3.0, 4.5), ("Go forward.", 6.1, 7.8)))
    answer = await transcribed(files, speech, sounds.recorded(gap))
    assert [segment.text for segment in answer.transcript.segments] == ["Go forward.", "Go forward."]


async def test_where_nobody_speaks_no_model_is_asked(world):
    models, files, speech, _ = world
    models.says(refusal(500))
    answer = await transcribed(files, speech, sounds.recorded(sounds.noise(1, 3, 0.3)))
    assert answer.no_speech.reason == NoSpeechReason.NO_SPEECH_REASON_NO_VOICE
    assert (answer.engine.name, answer.engine.model, models.asked) == ("routed", "whisper", [])
    assert answer.cost.ask_count == 0


async def test_a_provider_without_times_gives_the_words_of_the_whole_piece(world):
    models, files, speech, _ = world
    models.says(raw(http(200, b'{"text": "Go forward ten meters."}')))
    answer = await transcribed(files, speech, sounds.recorded(GO), "en")
    (segment,) = answer.transcript.segments
    assert (segment.text, segment.confidence) == ("Go forward ten meters.", 0.5)
    assert segment.end.ToMilliseconds() - segment.start.ToMilliseconds() > 1500
    assert (answer.transcript.language, answer.transcript.language_confidence) == ("en", 1.0)


async def test_the_builtin_engine_stands_in_and_says_so(world):
    models, files, speech, strict = world
    models.says(refusal(500))
    answer = await transcribed(files, speech, sounds.recorded(GO))
    assert [segment.text for segment in answer.transcript.segments] == ["go forward ten meters"]
    assert answer.engine.name == "builtin"
    assert answer.engine.degraded_reason.startswith("whisper could not answer: ")
    status = (await speech.GetEngine(GetEngineRequest())).engine
    assert (status.state, status.fallback) == (EngineState.ENGINE_STATE_DEGRADED, "builtin")

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await transcribed(files, strict, sounds.recorded(GO))
    assert reason_of(refused.value) == "UPSTREAM_UNAVAILABLE"
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await transcribed(files, speech, sounds.recorded(GO), "de")
    assert "knows English only (en), not 'de'" in (refused.value.details() or "")

    models.says(said(("Geh vorwärts.", 0.3, 2.0), language="german"))
    answer = await transcribed(files, speech, sounds.recorded(GO), "de")
    assert (answer.transcript.language, answer.engine.degraded_reason) == ("de", "")
    status = (await speech.GetEngine(GetEngineRequest())).engine
    assert (status.state, status.engine.revision) == (EngineState.ENGINE_STATE_READY, "r3")


async def test_a_caller_who_leaves_ends_the_model_s_work(world):
    models, files, _, speech = world
    models.says(silence())
    request = TranscribeRequest(file=await upload(files, sounds.recorded(GO)))
    asking = speech.Transcribe(request)
    async with asyncio.timeout(20):
        await models.came.wait()
        asking.cancel()
        await models.gone.wait()
