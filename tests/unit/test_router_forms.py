"""Forms of OpenAI's clients, their answers, and what the parser of forms refuses."""

from __future__ import annotations

import json

import httpx
import pytest
from google.protobuf.duration_pb2 import Duration

from loupe.router.v1.router_pb2 import TranscribedSegment, TranscribedWord, TranscribeResponse, Usage
from servers.kit.errors import InvalidField, NoCapableModel, TooLarge
from servers.router.openai.forms import read_form
from servers.router.openai.transcriptions import read_transcription, transcription_body
from tests.recordings import wav

SOUND = wav(0.5)


def form(data=None, content=SOUND, **files):
    """The form that httpx writes, which OpenAI's client is made of."""
    parts = {"file": ("speech.wav", content, "audio/x-wav")} | files
    request = httpx.Request("POST", "http://x", data={"model": "m"} | (data or {}), files=parts)
    return read_form(request.headers["content-type"], request.read())


def test_the_form_of_openai_s_client_is_read():
    data = {
        "language": "en",
        "response_format": "verbose_json",
        "timestamp_granularities[]": ["word", "segment"],
        "temperature": "0",
        "loupe": '{"job_id": "job_1", "cache": true}',
    }
    request, how, wants_segments = read_transcription(form(data))
    assert request.audio.content == SOUND
    assert (request.model, request.language, request.wants_words, request.job_id) == ("m", "en", True, "job_1")
    assert request.switches.cache
    assert (how, wants_segments) == ("verbose_json", True)
    plain = read_transcription(form())
    assert (plain.format, plain.request.wants_words) == ("json", False)
    assert not read_transcription(form({"response_format": "verbose_json", "timestamp_granularities[]": "word"}))[2]


def test_a_recording_may_be_larger_than_a_message():
    content = SOUND + bytes(5 * 2**20)
    assert read_transcription(form(content=content)).request.audio.content == content


def test_a_file_of_the_files_server_is_named():
    body = httpx.Request("POST", "http://x", files={"model": (None, "m"), "file": (None, "loupe:file_" + "a" * 26)})
    request = read_transcription(read_form(body.headers["content-type"], body.read())).request
    assert request.audio.file.file_id == "file_" + "a" * 26


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"model": ""}, "model"),
        ({"model": ["a", "b"]}, "model"),
        ({"temperature": "0.7"}, "temperature"),
        ({"prompt": "Umm, like"}, "prompt"),
        ({"stream": "true"}, "stream"),
        ({"chunking_strategy": "auto"}, "chunking_strategy"),
        ({"language": "English please"}, "language"),
        ({"response_format": "diarized_json"}, "response_format"),
        ({"response_format": "verbose_json", "timestamp_granularities[]": "letter"}, "timestamp_granularities[]"),
        ({"timestamp_granularities[]": "word"}, "timestamp_granularities[]"),
        ({"loupe": "{"}, "loupe"),
        ({"loupe": "3"}, "loupe"),
        ({"loupe": '{"fitting": "refuse"}'}, "loupe.fitting"),
        ({"file": "loupe:file_2"}, "file"),
    ],
)
def test_what_can_not_be_done_is_refused_by_its_name(data, field):
    with pytest.raises(InvalidField) as caught:
        read_transcription(form(data))
    assert caught.value.violations[0][0] == field


def test_a_form_without_a_recording_is_refused():
    with pytest.raises(InvalidField, match="is empty"):
        read_transcription(form(content=b""))
    for parts in ({"x": ("a", b"b")}, {"file": (None, "words")}, {"file": ("a", b"b"), "other": ("a", b"b")}):
        body = httpx.Request("POST", "http://x", data={"model": "m"}, files=parts)
        with pytest.raises(InvalidField) as caught:
            read_transcription(read_form(body.headers["content-type"], body.read()))
        assert caught.value.violations[0][0] == "file"


HEAD = b'--b\r\ncontent-disposition: form-data; name="'


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=", b""),
        ("multipart/form-data; boundary=" + "b" * 71, b""),
        ("multipart/mixed; boundary=b", HEAD + b'a"\r\n\r\nx\r\n--b--'),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", HEAD + b'a"\r\n\r\nx\r\n'),  # no end
        ("multipart/form-data; boundary=b", HEAD + b'a"\r\n\r\nx\r\n--b'),
        ("multipart/form-data; boundary=b", HEAD + b'a"\r\n\r\nx\r\n--bb--'),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nx\r\n--b--"),
        ("multipart/form-data; boundary=b", HEAD + b'a"\r\n\r\n\xff\r\n--b--'),
    ],
)
def test_what_is_no_form_is_refused(content_type, body):
    with pytest.raises(InvalidField):
        read_form(content_type, body)


@pytest.mark.parametrize(
    "body",
    [
        (HEAD + b'a"\r\n\r\nx\r\n') * 33 + b"--b--",
        HEAD + b'a"\r\n\r\n' + b"x" * 70_000 + b"\r\n--b--",
        HEAD + b'a"\r\n' + b"x-a: b\r\n" * 9 + b"\r\nx\r\n--b--",
        HEAD + b"a" * 5000 + b'"\r\n\r\nx\r\n--b--',
    ],
)
def test_a_form_has_limits(body):
    with pytest.raises(TooLarge):
        read_form("multipart/form-data; boundary=b", body)


def seconds(value):
    return Duration(seconds=int(value), nanos=round(value % 1 * 1e9))


MADE = TranscribeResponse(
    text=" the river rose & fell",
    segments=[
        TranscribedSegment(
            text=" the river --> <rose>", start=seconds(0.25), end=seconds(1.5), mean_log_probability=-1
        ),
        TranscribedSegment(text=" &\n\nfell", start=seconds(3661.5), end=seconds(3662.125)),
    ],
    words=[TranscribedWord(text="the", start=seconds(0.25), end=seconds(0.5))],
    language="en",
    usage=Usage(audio_s=3662.125),
)


def written(made=MADE, **data):
    media_type, body = transcription_body(made, read_transcription(form(data)))
    return media_type.partition(";")[0], body.decode()


def test_subtitles_have_clocks_and_words_that_can_not_be_taken_for_them():
    assert written(response_format="srt") == (
        "application/x-subrip",
        "1\n00:00:00,250 --> 00:00:01,500\nthe river -> <rose>\n\n2\n01:01:01,500 --> 01:01:02,125\n& fell\n",
    )
    assert written(response_format="vtt") == (
        "text/vtt",
        "WEBVTT\n\n00:00:00.250 --> 00:00:01.500\nthe river --&gt; &lt;rose&gt;\n\n"
        "01:01:01.500 --> 01:01:02.125\n&amp; fell\n",
    )
    with pytest.raises(NoCapableModel, match="gave no times"):
        written(TranscribeResponse(text="tea"), response_format="srt")
    assert written(TranscribeResponse(), response_format="vtt")[1] == "WEBVTT\n\n"


def test_json_and_text_are_as_openai_writes_them():
    assert written(response_format="text") == ("text/plain", " the river rose & fell\n")
    body = json.loads(written()[1])
    assert set(body) == {"text", "usage", "loupe"}
    assert body["usage"] == {"type": "duration", "seconds": 3663}
    body = json.loads(written(response_format="verbose_json")[1])
    assert (body["task"], body["language"], body["duration"]) == ("transcribe", "en", 3662.125)
    assert "words" not in body
    first, second = body["segments"]
    assert (first["id"], first["start"], first["end"], first["avg_logprob"]) == (0, 0.25, 1.5, -1.0)
    assert (second["id"], second["no_speech_prob"], second["tokens"]) == (1, None, None)
    body = json.loads(written(**{"response_format": "verbose_json", "timestamp_granularities[]": "word"})[1])
    assert body["words"] == [{"word": "the", "start": 0.25, "end": 0.5}]
    assert "segments" not in body
    paid = TranscribeResponse(text="tea", usage=Usage(input_tokens=14, output_tokens=2, audio_s=1))
    assert json.loads(written(paid)[1])["usage"] == {
        "type": "tokens",
        "input_tokens": 14,
        "output_tokens": 2,
        "total_tokens": 16,
    }
