"""The speech server with a real files server, asked as a client asks."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import numpy as np
import pytest
import pytest_asyncio
from google.api.httpbody_pb2 import HttpBody
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from loupe.files.v1 import files_pb2
from loupe.files.v1.files_service_pb2_grpc import FilesServiceStub
from loupe.speech.v1.speech_pb2 import (
    GetEngineRequest,
    NoSpeechReason,
    StreamTranscribeRequest,
    TranscribeRequest,
    TranscribeResponse,
)
from loupe.speech.v1.speech_service_pb2_grpc import SpeechServiceStub
from loupe.type.v1.engine_pb2 import EngineState
from loupe.type.v1.file_ref_pb2 import FileRef
from tests import sounds
from tests.running import running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(module_home):
    async with running("files", module_home) as files:
        environment = {
            "LOUPE_FILES_ADDRESS": files.address,
            "LOUPE_SPEECH_MAX_RECORDING_S": "120",
            "LOUPE_SPEECH_MAX_WAITING": "0",
        }
        async with running("speech", module_home, environment) as speech:
            yield files, speech


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def files(servers):
    async with servers[0].channel() as channel:
        yield FilesServiceStub(channel)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def speech(servers):
    async with servers[1].channel() as channel:
        yield SpeechServiceStub(channel)


async def upload(files: Any, content: bytes) -> FileRef:
    async def messages():
        for start in range(0, len(content), 256 * 1024):
            piece = HttpBody(data=content[start : start + 256 * 1024])
            yield files_pb2.UploadFileRequest(file_name="" if start else "recording", content=piece)

    stored: FileRef = (await files.UploadFile(messages())).file
    return stored


async def transcribed(files: Any, speech: Any, content: bytes, language: str = "") -> TranscribeResponse:
    request = TranscribeRequest(file=await upload(files, content), language=language)
    response: TranscribeResponse = await speech.Transcribe(request)
    return response


def reason_of(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return str(info.reason)


async def test_a_sentence_is_written_down_with_its_times(files, speech):
    answer = await transcribed(files, speech, sounds.GO_FORWARD.read_bytes())
    (segment,) = answer.transcript.segments
    assert segment.text == "go forward ten meters"
    assert [word.text for word in segment.words] == ["go", "forward", "ten", "meters"]
    assert segment.id == "s1"
    starts = [word.start.ToMilliseconds() for word in segment.words]
    assert starts == pytest.approx([440, 620, 1150, 1510], abs=150)
    assert segment.start == segment.words[0].start
    assert segment.end == segment.words[-1].end
    assert segment.confidence > 0.8
    assert (answer.transcript.language, answer.transcript.language_confidence) == ("en", 0.0)
    assert (answer.audio.sample_rate_hz, answer.audio.channels, answer.audio.codec) == (16000, 1, "flac")
    assert answer.audio.duration.ToMilliseconds() == 2786
    assert answer.audio.level_dbfs == -31.0
    assert 0.5 < answer.audio.speech_share <= 1
    assert answer.engine.name == "builtin"


@pytest.mark.parametrize("kind", sounds.FORMATS)
async def test_every_container_gives_the_same_words(files, speech, kind):
    answer = await transcribed(files, speech, sounds.recorded(sounds.go_forward(), kind), "en-GB")
    assert [segment.text for segment in answer.transcript.segments] == ["go forward ten meters"]
    assert answer.transcript.language_confidence == 1.0


async def test_the_sound_track_of_a_clip_is_heard(files, speech):
    clip = sounds.recorded(sounds.go_forward(), "m4a", picture=True)
    answer = await transcribed(files, speech, clip)
    assert [segment.text for segment in answer.transcript.segments] == ["go forward ten meters"]
    assert answer.audio.codec == "aac"


async def test_a_streamed_transcript_says_the_same_in_order(files, speech):
    go = sounds.go_forward()
    twice = sounds.recorded(np.concatenate([go, sounds.silence(1.5), go]))
    whole = await transcribed(files, speech, twice)
    request = StreamTranscribeRequest(request=TranscribeRequest(file=await upload(files, twice)))
    events = [event async for event in speech.StreamTranscribe(request)]
    assert [event.WhichOneof("event") for event in events] == ["segment", "segment", "end"]
    assert [event.segment for event in events[:-1]] == list(whole.transcript.segments)
    assert [segment.id for segment in whole.transcript.segments] == ["s1", "s2"]
    assert [segment.text for segment in whole.transcript.segments] == ["go forward ten meters"] * 2
    first, second = whole.transcript.segments
    assert second.start.ToMilliseconds() - first.start.ToMilliseconds() == pytest.approx(4286, abs=30)
    end = events[-1].end
    assert (end.audio, end.engine, end.language) == (whole.audio, whole.engine, "en")


async def test_the_same_recording_gives_the_same_answer_whatever_came_before(files, speech):
    recording = sounds.GO_FORWARD.read_bytes()
    first = await transcribed(files, speech, recording)
    await transcribed(files, speech, sounds.recorded(sounds.go_forward()[8000:20000]))
    assert await transcribed(files, speech, recording) == first


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (sounds.recorded(sounds.silence(2)), NoSpeechReason.NO_SPEECH_REASON_SILENCE),
        (sounds.recorded(sounds.noise(0, 4, 0.2)), NoSpeechReason.NO_SPEECH_REASON_NO_VOICE),
        (sounds.recorded(sounds.tone(440, 3)), NoSpeechReason.NO_SPEECH_REASON_NO_VOICE),
        (sounds.pictures_only(), NoSpeechReason.NO_SPEECH_REASON_NO_AUDIO),
    ],
    ids=["silence", "noise", "tone", "pictures"],
)
async def test_where_nobody_speaks_there_is_no_text_but_a_reason(files, speech, content, reason):
    answer = await transcribed(files, speech, content)
    assert answer.WhichOneof("outcome") == "no_speech"
    assert answer.no_speech.reason == reason
    assert answer.no_speech.detail


async def test_a_language_that_the_engine_does_not_know_is_an_invalid_field(files, speech):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await transcribed(files, speech, sounds.GO_FORWARD.read_bytes(), "de")
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(refused.value) == "INVALID_FIELD"
    assert "knows English only (en), not 'de'" in (refused.value.details() or "")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (sounds.recorded(sounds.go_forward())[:40_000], "DAMAGED_MEDIA"),
        (sounds.recorded(sounds.go_forward(), "flac")[:20_000], "DAMAGED_MEDIA"),
        (sounds.recorded(sounds.go_forward(), "m4a")[:9_000], "DAMAGED_MEDIA"),
        (b"OggS" + bytes(range(256)) * 8, "DAMAGED_MEDIA"),
        (b"fLaC" + bytes(3000), "DAMAGED_MEDIA"),
        (sounds.recorded(sounds.silence(130), "flac"), "TOO_LONG"),
    ],
    ids=["cut wav", "cut flac", "cut m4a", "garbage ogg", "garbage flac", "bomb"],
)
async def test_what_can_not_be_decoded_within_limits_is_refused(files, speech, content, reason):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await transcribed(files, speech, content)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(refused.value) == reason


async def test_an_image_is_no_recording(files, speech):
    picture = b"GIF87a" + bytes([1, 0, 1, 0, 0, 0, 0]) + b"\x2c" + bytes([0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 0, 0x3B])
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await transcribed(files, speech, picture)
    assert reason_of(refused.value) == "UNSUPPORTED_MEDIA_TYPE"


async def test_an_unknown_file_is_not_found(speech):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await speech.Transcribe(TranscribeRequest(file=FileRef(file_id="file_" + "a" * 26)))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_full_server_says_when_to_come_again_and_cancelling_frees_the_place(files, speech):
    go = sounds.go_forward()
    long = await upload(files, sounds.recorded(np.tile(np.concatenate([go, sounds.silence(1)]), 20), "flac"))
    stream = speech.StreamTranscribe(StreamTranscribeRequest(request=TranscribeRequest(file=long)))
    assert (await stream.read()).segment.id == "s1"
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await transcribed(files, speech, sounds.GO_FORWARD.read_bytes())
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason_of(refused.value) == "OVERLOADED"
    stream.cancel()
    async with asyncio.timeout(20):
        while True:
            try:
                answer = await transcribed(files, speech, sounds.recorded(sounds.silence(1)))
                break
            except grpc.aio.AioRpcError as busy:
                assert reason_of(busy) == "OVERLOADED"
    assert answer.no_speech.reason == NoSpeechReason.NO_SPEECH_REASON_SILENCE


async def test_the_engine_is_told(speech):
    status = (await speech.GetEngine(GetEngineRequest())).engine
    assert (status.engine.name, status.state) == ("builtin", EngineState.ENGINE_STATE_READY)
