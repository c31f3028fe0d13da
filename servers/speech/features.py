"""What each hundredth of a second sounds like: how far above the noise it is, whether a voice's pitch is in it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from servers.speech.sound import SAMPLE_RATE_HZ, Samples

HOP = SAMPLE_RATE_HZ // 100
WINDOW = 512
FRAMES_PER_S = SAMPLE_RATE_HZ // HOP
_BANDS = 18
# Frames worked on at once, and the noise around them that is looked at: it may change within a recording.
_BLOCK = 1000
_MARGIN = 500
# Share of a bin's quietest frames that are taken for noise; a spectrum is smoothed over so many frames for it, else
# chance alone would make minima.
_QUIET_SHARE = 20
_SMOOTH = 7
# A tone that lasts all the recording is noise in its bin, as a fan is in all of them.
_OVER_NOISE = 2.0
_PITCH_HZ = (70.0, 420.0)
_FULL_SCALE = 32768.0
# Nothing quieter counts against another: the last bit of 16 would be a sound.
_LEAST_POWER = WINDOW * (0.5 / _FULL_SCALE) ** 2

# What the window makes of one tone.
_LINE_BINS = 5
# Of a frame, about -84 dBFS; and the frames of such that tell what the noise is.
_SOUNDING_POWER = WINDOW * WINDOW / 8 * (2 / _FULL_SCALE) ** 2
_LEAST_SOUNDING = 50

Values = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frames:
    """Measures of a recording, FRAMES_PER_S a second."""

    level_db: Values
    """[n], root mean square against full scale."""

    over_noise_db: Values
    """[n], of what is above the noise, against the noise, from 100 to 4000 Hz."""

    voicing: Values
    """[n], how periodic it is within the pitch of voices, 0 to 1; noise 0.2 to 0.4."""

    pitch_hz: Values
    """[n], the period that was found, meant where it is voiced."""

    bands_db: Values
    """[n, bands], its coarse spectrum less the mean: what formants change and a held note doesn't."""

    purity: Values
    """[n], of the power from 100 to 4000 Hz, the share of the strongest line: a voice has many, a whistle one."""


def measure(samples: Samples) -> Frames:
    """Return the measures of each frame; a recording shorter than a window is filled up with silence."""
    whole = np.pad(samples, (WINDOW // 2, WINDOW // 2 + max(0, WINDOW - len(samples))))
    count = (len(whole) - WINDOW) // HOP + 1
    blocks = [_block(whole, start, min(start + _BLOCK, count), count) for start in range(0, count, _BLOCK)]
    return Frames(*(np.concatenate(column) for column in zip(*blocks, strict=True)))


def _block(whole: Samples, start: int, end: int, count: int) -> tuple[Values, ...]:
    first, last = max(0, start - _MARGIN), min(count, end + _MARGIN)
    around = _spectra(whole, first, last)
    noise = _noise(around)
    power = around[start - first : end - first]
    excess = np.maximum(power - _OVER_NOISE * noise, 0)
    low, high = _bin(100), _bin(4000)
    ratio = excess[:, low:high].sum(1) / noise[low:high].sum()
    voicing, pitch = _voicing(excess)
    windows = np.lib.stride_tricks.sliding_window_view(whole, WINDOW)[start * HOP : (end - 1) * HOP + 1 : HOP]
    mean = np.square(windows.astype(np.float32) / _FULL_SCALE).mean(1)
    bands = 10 * np.log10(power @ _FILTERS.T + _LEAST_POWER)
    heard = power[:, low:high] + _LEAST_POWER
    lines = np.lib.stride_tricks.sliding_window_view(heard, _LINE_BINS, axis=1).sum(2)
    purity = lines.max(1) / heard.sum(1)
    return (
        (10 * np.log10(mean + 1e-12)).astype(np.float32),
        (10 * np.log10(ratio + 1e-4)).astype(np.float32),
        voicing,
        pitch,
        (bands - bands.mean(1, keepdims=True)).astype(np.float32),
        purity.astype(np.float32),
    )


def _spectra(whole: Samples, first: int, last: int) -> Values:
    windows = np.lib.stride_tricks.sliding_window_view(whole, WINDOW)[first * HOP : (last - 1) * HOP + 1 : HOP]
    scaled = windows.astype(np.float32) / _FULL_SCALE
    spectrum = np.fft.rfft((scaled - scaled.mean(1, keepdims=True)) * _HANN, axis=1)
    power: Values = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    return power


def _noise(power: Values) -> Values:
    """Return the power of each bin that is there nearly all the time that anything is."""
    # Digital silence before a recording, or where a telephone sends nothing, is not the noise that goes with the voice.
    sounding = power[power.sum(1) > _SOUNDING_POWER]
    power = sounding if len(sounding) >= _LEAST_SOUNDING else power
    sums = np.cumsum(np.pad(power, ((1, 0), (0, 0))), axis=0, dtype=np.float64)
    width = min(_SMOOTH, len(power))
    smooth = (sums[width:] - sums[:-width]) / width
    quiet = np.percentile(smooth[::2], _QUIET_SHARE, axis=0)
    return np.maximum(quiet, _LEAST_POWER).astype(np.float32)


def _voicing(power: Values) -> tuple[Values, Values]:
    """Return how periodic each spectrum is and at which pitch, from its autocorrelation."""
    heard = power.copy()
    heard[:, : _bin(60)] = 0
    heard[:, _bin(4500) :] = 0
    total = heard.sum(1)
    correlation = np.fft.irfft(heard, n=2 * (power.shape[1] - 1), axis=1)
    shortest, longest = int(SAMPLE_RATE_HZ / _PITCH_HZ[1]), int(SAMPLE_RATE_HZ / _PITCH_HZ[0])
    lags = correlation[:, shortest : longest + 1] / _WINDOW_CORRELATION[shortest : longest + 1]
    best = lags.argmax(1)
    peak = lags[np.arange(len(lags)), best] / np.maximum(correlation[:, 0], 1e-12)
    voicing = np.where(total > _LEAST_POWER, np.clip(peak, 0, 1), 0).astype(np.float32)
    return voicing, (SAMPLE_RATE_HZ / (best + shortest)).astype(np.float32)


def _bin(frequency_hz: float) -> int:
    return round(frequency_hz * WINDOW / SAMPLE_RATE_HZ)


def _filters() -> Values:
    """Return triangles, as wide as the ear's bands are apart (O'Shaughnessy's mel scale), from 100 to 7000 Hz."""
    mel = np.linspace(_mel(100), _mel(7000), _BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    bins = np.arange(WINDOW // 2 + 1) * SAMPLE_RATE_HZ / WINDOW
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    filters: Values = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    return filters


def _mel(frequency_hz: float) -> float:
    return 2595 * math.log10(1 + frequency_hz / 700)


_HANN = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
_FILTERS = _filters()
_WINDOW_CORRELATION = np.fft.irfft(np.abs(np.fft.rfft(_HANN, 2 * WINDOW)) ** 2)[:WINDOW]
_WINDOW_CORRELATION = (_WINDOW_CORRELATION / _WINDOW_CORRELATION[0]).astype(np.float32)
