"""A file's bytes to sound, through FFmpeg: any container that is told from its content, bounded by what it decodes to.

What a header announces is believed for one thing only: a recording that ends well before it was cut short.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from loupe.speech.v1.speech_pb2 import Audio
from servers.kit.errors import DamagedMedia, EmptyFile, TooLarge, TooLong, UnsupportedMediaType
from servers.kit.recordings import Container, container_of
from servers.speech.sound import SAMPLE_RATE_HZ, Samples, Sound, level_dbfs

# What the containers hold. Others stay closed: each decoder is a way in for a hostile file, and those of pictures, that
# FFmpeg would open to look around, take memory by the pixel.
_CODECS = (
    "aac,aac_fixed,aac_latm,ac3,adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,alac,amrnb,amrwb,libopencore_amrnb,libopencore_amrwb,"
    "eac3,flac,gsm,gsm_ms,libopus,opus,mp1,mp1float,mp2,mp2float,mp3,mp3float,pcm_alaw,pcm_f32be,pcm_f32le,pcm_f64be,"
    "pcm_f64le,pcm_mulaw,pcm_s16be,pcm_s16le,pcm_s24be,pcm_s24le,pcm_s32be,pcm_s32le,pcm_s8,pcm_u8,speex,libspeex,"
    "vorbis,libvorbis,wavpack"
)
_OPTIONS = {
    "codec_whitelist": _CODECS,
    # A container must not name another file or address to be opened.
    "protocol_whitelist": "",
    "enable_drefs": "0",
    "probesize": "1048576",
    "analyzeduration": "2000000",
}
# Players skip what can't be decoded; so does this, up to a share at which words would be missing.
_BAD_PACKETS = 2
_BAD_SHARE = 0.02
# Encoders pad and headers round: a recording that lacks less than this is whole.
_CUT_S, _CUT_SHARE = 0.25, 0.05
# A clip's sound may begin late or pause; its times are kept by silence from this length on.
_GAP_S = 0.1
# The mean of two channels that cancel each other is quieter than the louder one by more than this.
_CANCELLED_DB = 10.0
_UNKNOWN_SIZE = 0x7FFFFF00


@dataclass(frozen=True, slots=True)
class RecordingLimits:
    """How much is decoded."""

    max_bytes: int
    max_seconds: float


def decode(data: bytes, limits: RecordingLimits) -> Sound | None:
    """Return the sound of a file, None where it has no sound track.

    Raises:
      EmptyFile, UnsupportedMediaType, DamagedMedia: the bytes are no usable recording.
      TooLarge, TooLong: they are over the limits.
    """
    if not data:
        raise EmptyFile("the file has no bytes")
    if len(data) > limits.max_bytes:
        raise TooLarge(f"the recording has {len(data)} bytes, at most {limits.max_bytes}")
    container = container_of(data[: 1 << 20])
    if container is None:
        raise UnsupportedMediaType(
            "this is no recording that Loupe knows; they are WAV, MP3, Ogg, FLAC, AAC, AIFF, AMR, MP4, WebM and AVI"
        )
    try:
        # By its mode, "r", typed as what it then is.
        with av.open(
            BytesIO(data), "r", format=container.demuxer, options=_OPTIONS, metadata_errors="replace"
        ) as opened:
            return _decoded(opened, container, data, limits)
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError, OverflowError) as error:
        raise DamagedMedia(f"{container.name} begins here and can't be read; the file may be cut short") from error


def _decoded(opened: InputContainer, container: Container, data: bytes, limits: RecordingLimits) -> Sound | None:
    if not opened.streams.audio:
        return None
    stream = opened.streams.audio[0]
    codec = None if stream.codec_context is None else stream.codec_context.codec
    if codec is None or codec.name not in _CODECS.split(","):
        named = "a codec without a name" if codec is None else codec.canonical_name
        raise UnsupportedMediaType(f"the sound of {container.name} is in {named}, which Loupe doesn't decode")
    track = _Track(opened, stream, limits)
    parts = list(track.parts())
    mono = _mono(np.concatenate(parts, axis=1)) if parts else np.zeros(0, np.int16)
    if not len(mono):
        raise DamagedMedia(f"{container.name} begins here and nothing of it can be decoded")
    seconds = len(mono) / SAMPLE_RATE_HZ
    if track.packets and track.bad_packets > max(_BAD_PACKETS, _BAD_SHARE * track.packets):
        raise DamagedMedia(f"{track.bad_packets} of {track.packets} packets of {container.name} can't be decoded")
    announced = _announced_s(data, stream)
    if announced is not None and seconds < announced - max(_CUT_S, _CUT_SHARE * announced):
        raise DamagedMedia(f"the file ends after {seconds:.1f} s of the {announced:.1f} s that its header announces")
    facts = Audio(sample_rate_hz=track.rate_hz, channels=track.channels, codec=codec.canonical_name)
    facts.duration.FromMilliseconds(round(seconds * 1000))
    facts.level_dbfs = round(level_dbfs(mono), 1)
    return Sound(mono, facts)


class _Track:
    """The frames of one sound track, in the order and at the places of their times."""

    def __init__(self, opened: InputContainer, stream: AudioStream, limits: RecordingLimits) -> None:
        self._opened = opened
        self._stream = stream
        self._max_seconds = limits.max_seconds
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None
        self._samples = 0
        self.packets = 0
        self.bad_packets = 0
        self.rate_hz = 0
        self.channels = 0

    def parts(self) -> Iterator[Samples]:
        """Yield arrays [2, n] of 16 kHz. Raises TooLong when there is more than may be."""
        origin = (self._opened.start_time or 0) / 1_000_000
        for frame in self._frames():
            if frame.time is not None:
                missing = round((frame.time - origin) * SAMPLE_RATE_HZ) - self._samples
                if missing > _GAP_S * SAMPLE_RATE_HZ:
                    self._count(missing)
                    yield np.zeros((2, missing), np.int16)
            yield from self._resampled(frame)
        if self._resampler is not None:
            yield from self._taken(self._resampler.resample(None))

    def _frames(self) -> Iterator[AudioFrame]:
        packets = self._opened.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                self.bad_packets += _BAD_PACKETS + 1  # the container itself breaks off here
                self.packets += 1
                return
            if packet is None:
                return
            self.packets += 1
            try:
                for frame in packet.decode():
                    if isinstance(frame, AudioFrame):
                        yield frame
            except av.FFmpegError:
                self.bad_packets += 1

    def _resampled(self, frame: AudioFrame) -> Iterator[Samples]:
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape or self._resampler is None:
            # Chained recordings change in the middle.
            if self._resampler is not None:
                yield from self._taken(self._resampler.resample(None))
            self._shape = shape
            # One channel stays one: made two, each would be 3 dB down.
            layout = "mono" if frame.layout.nb_channels == 1 else "stereo"
            self._resampler = AudioResampler("s16p", layout, SAMPLE_RATE_HZ)
            self.rate_hz = self.rate_hz or frame.sample_rate
            self.channels = self.channels or frame.layout.nb_channels
        frame.pts = None  # the resampler would fill gaps by its own rules
        yield from self._taken(self._resampler.resample(frame))

    def _taken(self, frames: list[AudioFrame]) -> Iterator[Samples]:
        for frame in frames:
            self._count(frame.samples)
            channels = frame.to_ndarray().astype(np.int16, copy=False)
            yield np.broadcast_to(channels, (2, channels.shape[1]))

    def _count(self, samples: int) -> None:
        self._samples += samples
        if self._samples > self._max_seconds * SAMPLE_RATE_HZ:
            raise TooLong(f"the recording has more than {self._max_seconds:.0f} s, the most that is taken")


def _mono(stereo: Samples) -> Samples:
    """Return the mean of both channels, or the louder one where they cancel each other."""
    left, right = stereo
    mean: Samples = (left >> 1) + (right >> 1)
    louder = right if level_dbfs(right) > level_dbfs(left) else left
    return louder if level_dbfs(mean) < level_dbfs(louder) - _CANCELLED_DB else mean


def _announced_s(data: bytes, stream: AudioStream) -> float | None:
    """Return the duration that the header states, None where it states none."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return _announced_by_wave(data)  # FFmpeg reckons it from what is there
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return None


def _announced_by_wave(data: bytes) -> float | None:
    """Return the length of a WAV file's samples as its header states it (Microsoft's and IBM's RIFF, 1991)."""
    at, bytes_per_s = 12, 0
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"fmt ":
            bytes_per_s = int.from_bytes(data[at + 16 : at + 20], "little")
        if name == b"data":
            # Who writes into a pipe doesn't know the size.
            return size / bytes_per_s if bytes_per_s and size < _UNKNOWN_SIZE else None
        at += 8 + size + size % 2
    return None
