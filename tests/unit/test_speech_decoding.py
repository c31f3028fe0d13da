"""Files to sound: every container, its limits, and what hostile ones do."""

from __future__ import annotations

import io
import random
import struct

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream

from servers.kit.errors import DamagedMedia, EmptyFile, LoupeError, TooLarge, TooLong, UnsupportedMediaType
from servers.kit.recordings import container_of
from servers.speech.decoding import RecordingLimits, decode
from servers.speech.sound import level_dbfs
from tests import sounds

LIMITS = RecordingLimits(10 << 20, 60)
TYPES = {
    "wav": "audio/wav",
    "aiff": "audio/aiff",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "m4a": "audio/mp4",
    "webm": "audio/webm",
}


def wave_head(*, data_bytes: int, rate_hz: int = 16_000, channels: int = 1) -> bytes:
    """The header of a WAV file that announces so much."""
    shape = struct.pack("<IHHIIHH", 16, 1, channels, rate_hz, 2 * channels * rate_hz, 2 * channels, 16)
    size = min(36 + data_bytes, 0xFFFFFFFF)
    return b"RIFF" + struct.pack("<I", size) + b"WAVEfmt " + shape + b"data" + struct.pack("<I", data_bytes)


@pytest.mark.parametrize("kind", sounds.FORMATS)
def test_a_container_is_told_from_its_content_and_decoded(kind):
    recording = sounds.recorded(sounds.tone(440, 1.0), kind)
    container = container_of(recording)
    assert container is not None
    assert container.media_type == TYPES[kind]
    sound = decode(recording, LIMITS)
    assert sound is not None
    assert sound.duration_s == pytest.approx(1.0, abs=0.06)
    assert sound.facts.level_dbfs == pytest.approx(-13.5, abs=0.5)  # 0.3 / sqrt(2)
    assert np.abs(np.fft.rfft(sound.samples.astype(float))).argmax() / sound.duration_s == pytest.approx(440, abs=2)


def test_a_clip_is_told_from_a_recording_and_one_without_sound_has_none():
    clip = container_of(sounds.recorded(sounds.tone(440, 1.0), "m4a", picture=True))
    assert clip is not None
    assert clip.media_type == "video/mp4"
    assert decode(sounds.pictures_only(), LIMITS) is None


@pytest.mark.parametrize(
    "content",
    [
        b"hello",
        b"%PDF-1.7",
        b"\x89PNG\r\n\x1a\n" + bytes(64),
        b"#EXTM3U\nhttp://10.0.0.1/a.ts\n",
        bytes(100),
        b"ffconcat",
    ],
    ids=["text", "pdf", "png", "playlist", "zeros", "list of files"],
)
def test_what_is_no_recording_is_not_given_to_ffmpeg(content):
    assert container_of(content) is None
    with pytest.raises(UnsupportedMediaType, match="no recording that Loupe knows"):
        decode(content, LIMITS)


def test_no_bytes_and_too_many_are_told_apart():
    with pytest.raises(EmptyFile):
        decode(b"", LIMITS)
    with pytest.raises(TooLarge, match="has 101 bytes, at most 100"):
        decode(bytes(101), RecordingLimits(100, 60))


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "m4a", "aiff"])
def test_a_recording_that_was_cut_short_is_damaged(kind):
    recording = sounds.recorded(np.tile(sounds.go_forward(), 3), kind)
    with pytest.raises(DamagedMedia):
        decode(recording[: len(recording) // 2], LIMITS)


def test_a_header_that_announces_hours_is_not_believed():
    ten_hours = 10 * 3600 * 32_000
    with pytest.raises(DamagedMedia, match=r"ends after 1\.0 s of the 36000\.0 s"):
        decode(wave_head(data_bytes=ten_hours) + bytes(32_000), LIMITS)
    # Who records into a pipe announces nothing.
    sound = decode(wave_head(data_bytes=0xFFFFFFFF) + bytes(32_000), LIMITS)
    assert sound is not None
    assert sound.duration_s == 1.0


def test_a_small_file_that_decodes_to_hours_is_stopped_at_the_limit():
    # FLAC holds a block of silence in a dozen bytes.
    bomb = sounds.recorded(sounds.silence(600), "flac")
    assert len(bomb) < 120_000  # of 19 MB
    with pytest.raises(TooLong, match="more than 60 s"):
        decode(bomb, LIMITS)
    slow = wave_head(data_bytes=4_000, rate_hz=8) + bytes(4_000)
    with pytest.raises(TooLong):
        decode(slow, LIMITS)


def test_two_channels_that_cancel_each_other_are_heard_and_the_mean_of_others_is_taken():
    voice = sounds.go_forward()
    head = wave_head(data_bytes=4 * len(voice), channels=2)
    opposite = decode(head + np.stack([voice, -voice], axis=1).astype("<i2").tobytes(), LIMITS)
    alike = decode(head + np.stack([voice, voice], axis=1).astype("<i2").tobytes(), LIMITS)
    assert opposite is not None
    assert alike is not None
    assert opposite.facts.channels == 2
    assert level_dbfs(opposite.samples) == pytest.approx(level_dbfs(alike.samples), abs=0.1)


def test_a_codec_that_is_not_decoded_here_is_named():
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as opened:
        track = opened.add_stream("tta", rate=16_000, layout="mono")
        assert isinstance(track, AudioStream)
        frame = av.AudioFrame.from_ndarray(sounds.tone(440, 0.5)[None], format="s16", layout="mono")
        frame.sample_rate = 16_000
        opened.mux(track.encode(frame))
        opened.mux(track.encode(None))
    with pytest.raises(UnsupportedMediaType, match="is in tta, which Loupe doesn't decode"):
        decode(out.getvalue(), LIMITS)


@pytest.mark.parametrize("kind", sounds.FORMATS)
def test_bytes_changed_at_random_end_in_sound_or_in_a_typed_error(kind):
    recording = sounds.recorded(sounds.tone(300, 0.5), kind)
    draw = random.Random(kind)
    for _ in range(25):
        hostile = bytearray(recording)
        for _ in range(draw.randint(1, 20)):
            hostile[draw.randrange(len(hostile))] = draw.randrange(256)
        try:
            decode(bytes(hostile[: draw.randint(1, len(hostile))]), LIMITS)
        except LoupeError:
            continue
