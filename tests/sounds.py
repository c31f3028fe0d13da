"""Sounds and recordings that tests make; one voice is a person's, see tests/voices."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

RATE_HZ = 16_000
Samples = npt.NDArray[np.int16]
GO_FORWARD = Path(__file__).parent / "voices" / "go_forward_ten_meters.flac"
GO_FORWARD_WORDS = "go forward ten meters"
# Container, codec and what the codec takes.
_FORMATS = {
    "wav": ("wav", "pcm_s16le", RATE_HZ),
    "aiff": ("aiff", "pcm_s16be", RATE_HZ),
    "flac": ("flac", "flac", RATE_HZ),
    "mp3": ("mp3", "libmp3lame", 44_100),
    "opus": ("ogg", "libopus", 48_000),
    "aac": ("adts", "aac", 44_100),
    "m4a": ("ipod", "aac", 44_100),
    "webm": ("webm", "libopus", 48_000),
}
FORMATS = tuple(_FORMATS)


def samples_of(recording: bytes) -> Samples:
    """Return a recording's samples at 16 kHz, one channel."""
    resampler = av.AudioResampler("s16", "mono", RATE_HZ)
    with av.open(io.BytesIO(recording), "r") as opened:
        frames = [part for frame in opened.decode(audio=0) for part in resampler.resample(frame)]
    frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.int16)


def go_forward() -> Samples:
    """Return a person who says GO_FORWARD_WORDS, 2.8 s."""
    return samples_of(GO_FORWARD.read_bytes())


def tone(frequency_hz: float, seconds: float, level: float = 0.3) -> Samples:
    """Return a sine."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return as_samples(level * np.sin(2 * np.pi * frequency_hz * time_s))


def noise(colour: float, seconds: float, level: float, seed: int = 0) -> Samples:
    """Return noise whose power falls with the frequency to the power of `colour`: 0 white, 1 pink, 2 brown, -1 blue."""
    count = round(seconds * RATE_HZ)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    shaped = np.fft.irfft(spectrum / np.maximum(np.fft.rfftfreq(count, 1 / RATE_HZ), 20.0) ** (colour / 2), count)
    return as_samples(level * shaped / np.abs(shaped).max())


def silence(seconds: float) -> Samples:
    """Return nothing at all."""
    return np.zeros(round(seconds * RATE_HZ), np.int16)


def as_samples(values: npt.NDArray[np.float64]) -> Samples:
    """Return values from -1 to 1 as samples."""
    return np.clip(np.round(values * 32767), -32768, 32767).astype(np.int16)


def recorded(samples: Samples, kind: str = "wav", *, picture: bool = False) -> bytes:
    """Return samples as a file of one of FORMATS; with `picture` a clip that has pictures too."""
    container, codec, rate = _FORMATS[kind]
    out = io.BytesIO()
    with av.open(out, "w", format="mp4" if picture else container) as opened:
        sound = opened.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(sound, AudioStream)
        if picture:
            _add_pictures(opened, round(5 * len(samples) / RATE_HZ))
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, 0, Fraction(1, RATE_HZ)
        codec_context = sound.codec_context
        if not codec_context.is_open:
            codec_context.open()
        resampler = av.AudioResampler(codec_context.format, "mono", rate, codec_context.frame_size or 1024)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            opened.mux(sound.encode(part))
        opened.mux(sound.encode(None))
    return out.getvalue()


def pictures_only() -> bytes:
    """Return an MP4 clip without sound."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as opened:
        _add_pictures(opened, 5)
    return out.getvalue()


def _add_pictures(opened: OutputContainer, count: int) -> None:
    video = opened.add_stream("mpeg4", rate=5)
    assert isinstance(video, VideoStream)
    video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
    for _ in range(count):
        opened.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
    opened.mux(video.encode(None))
