"""Where somebody speaks in a recording, told from energy over the noise, pitch, and how the spectrum moves.

Thresholds were set on 2026-11-21 on seventeen clips of human speech, twenty of a synthetic voice, and forty sounds
without a voice (noises of four colours, hum, tones, melodies, chords, clicks, knocks, drums, wind): see docs/speech.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loupe.speech.v1.speech_pb2 import NoSpeech, NoSpeechReason
from servers.speech.features import FRAMES_PER_S, HOP, Frames, measure
from servers.speech.sound import Samples

# Of the loudest tenth of a second. A whisper recorded badly is near -55; the last bits of a quiet sound card near -80.
_HEARD_DBFS = -65.0
_OVER_NOISE_DB = 3.0
_VOICED = 0.55
# Sounds apart by less belong together: stops and breaths within a word.
_JOINED_S = 0.3
# Vowels of the shortest words; clicks and knocks have none.
_LEAST_VOICED_S = 0.08
_LEAST_VOICED_SHARE = 0.2
# Median change of the coarse spectrum within 50 ms while voiced: speech 3.9 to 7.5, held notes under 2, gusts 1.7.
_LEAST_CHANGE_DB = 2.2
_CHANGE_FRAMES = 5
# Its lower quartile tells tones that glide from vowels that do, where the voice goes on long: speech 1.8 and more.
_LEAST_SLOW_CHANGE_DB = 1.6
# Longest time on end with a pitch: speech 0.7 s; instruments go on for ever.
_MOST_ON_END_S, _LONG_ON_END_S = 2.0, 0.8
# Median of what is voiced: one voice 0.86 to 0.98, several notes at once 0.7.
_LEAST_CLEAR = 0.78
# Share of frames whose pitch is that of the frame before: speech 0.1 to 0.32, notes of instruments 0.9.
_MOST_STEADY = 0.6
_SAME_PITCH = 0.004
# Median share of the strongest line while voiced: speech 0.4 to 0.67, whistles, beeps and sirens 0.97 and more.
_MOST_PURE = 0.9
# Sounds without pitch (s, t, f) at the ends of words.
_BEFORE_S, _AFTER_S = 0.2, 0.25
_PAUSE_S = 0.5
_LONGEST_S = 20.0
_SHORTEST_PART_S = 8.0

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Span:
    """From one sample to before another."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Heard:
    """What a recording holds."""

    spans: tuple[Span, ...]
    """Speech between pauses, in order, apart from each other; each at most 20 s."""

    nothing: NoSpeech | None
    """Why there are none."""

    speech_share: float
    """0 to 1."""


def listen(samples: Samples) -> Heard:
    """Return where somebody speaks."""
    frames = measure(samples)
    loudest = _loudest_dbfs(frames)
    if loudest < _HEARD_DBFS:
        detail = f"the loudest tenth of a second is at {loudest:.0f} dBFS"
        return Heard((), NoSpeech(reason=NoSpeechReason.NO_SPEECH_REASON_SILENCE, detail=detail), 0.0)
    active = (frames.over_noise_db > _OVER_NOISE_DB) & (frames.level_db > _HEARD_DBFS)
    voiced = active & (frames.voicing > _VOICED)
    runs = _joined(active, round(_JOINED_S * FRAMES_PER_S))
    sounds = [run for run in runs if _is_voice(frames, active, voiced, run)]
    if not sounds:
        share = float(active.mean())
        detail = f"{100 * share:.0f} % of the recording is over its noise, and none of that sounds like a voice"
        return Heard((), NoSpeech(reason=NoSpeechReason.NO_SPEECH_REASON_NO_VOICE, detail=detail), 0.0)
    spans = tuple(_spans(sounds, frames, len(samples)))
    return Heard(spans, None, sum(span.end - span.start for span in spans) / len(samples))


def _loudest_dbfs(frames: Frames) -> float:
    width = min(10, len(frames.level_db))
    power = np.convolve(10 ** (frames.level_db.astype(np.float64) / 10), np.ones(width) / width, mode="valid")
    return float(10 * np.log10(power.max() + 1e-12))


def _joined(active: Flags, gap: int) -> list[tuple[int, int]]:
    """Return runs of true (start, end), those with fewer than `gap` frames between them as one."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], active, [False])).astype(np.int8)))
    runs: list[tuple[int, int]] = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if runs and start - runs[-1][1] < gap:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return runs


def _is_voice(frames: Frames, active: Flags, voiced: Flags, part: tuple[int, int]) -> bool:
    inside = slice(*part)
    sung = voiced[inside]
    if sung.sum() < max(_LEAST_VOICED_S * FRAMES_PER_S, _LEAST_VOICED_SHARE * active[inside].sum()):
        return False
    if float(np.median(frames.purity[inside][sung])) > _MOST_PURE:
        return False
    pitch = np.log(frames.pitch_hz[inside])
    neighbours = sung[1:] & sung[:-1]
    if not neighbours.any() or (np.abs(np.diff(pitch))[neighbours] < _SAME_PITCH).mean() > _MOST_STEADY:
        return False
    if float(np.median(frames.voicing[inside][sung])) < _LEAST_CLEAR:
        return False
    apart = sung[_CHANGE_FRAMES:] & sung[:-_CHANGE_FRAMES]
    if not apart.any():
        return False
    bands = frames.bands_db[inside]
    change = np.abs(bands[_CHANGE_FRAMES:] - bands[:-_CHANGE_FRAMES]).mean(1)[apart]
    slow, usual = np.percentile(change, (25, 50))
    on_end_s = max(end - start for start, end in _joined(sung, 1)) / FRAMES_PER_S
    if on_end_s > _MOST_ON_END_S or (on_end_s > _LONG_ON_END_S and slow < _LEAST_SLOW_CHANGE_DB):
        return False
    return bool(usual >= _LEAST_CHANGE_DB)


def _spans(sounds: list[tuple[int, int]], frames: Frames, size: int) -> list[Span]:
    """Return sounds with what belongs to them, joined up to pauses, and cut where they are too long."""
    spans: list[tuple[int, int]] = []
    for start, end in sounds:
        if spans and start - spans[-1][1] < _PAUSE_S * FRAMES_PER_S:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    before, after = round(_BEFORE_S * FRAMES_PER_S), round(_AFTER_S * FRAMES_PER_S)
    widened = [
        # A pause is shared out between its neighbours: half a second holds both margins.
        (max(start - before, 0), end + after)
        for start, end in spans
    ]
    cut = [part for span in widened for part in _cut(span, frames)]
    return [Span(start * HOP, min(end * HOP, size)) for start, end in cut if start * HOP < min(end * HOP, size)]


def _cut(span: tuple[int, int], frames: Frames) -> list[tuple[int, int]]:
    """Return a span in parts that are short enough, cut where it is quietest."""
    longest, shortest = round(_LONGEST_S * FRAMES_PER_S), round(_SHORTEST_PART_S * FRAMES_PER_S)
    parts = []
    start, end = span
    level = np.convolve(10 ** (frames.level_db.astype(np.float64) / 10), np.ones(9) / 9, mode="same")
    while end - start > longest:
        first, last = start + shortest, min(start + longest, end - FRAMES_PER_S)
        at = first + int(level[first:last].argmin())
        parts.append((start, at))
        start = at
    return [*parts, (start, end)]
