"""Sounds in which nobody speaks, some of them close to it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.sounds import RATE_HZ, Samples, as_samples, noise, tone

SECONDS = 4.0
TIME = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ


def harmonics(frequency_hz: np.ndarray, count: int = 8) -> np.ndarray:
    """A tone with overtones whose pitch may move."""
    phase = 2 * np.pi * np.cumsum(frequency_hz) / RATE_HZ
    made: np.ndarray = np.sum([0.15 / number * np.sin(number * phase) for number in range(1, count + 1)], axis=0)
    return made


def melody() -> np.ndarray:
    notes = np.random.default_rng(3).choice([196.0, 220.0, 247.0, 294.0, 330.0, 392.0], 16)
    return np.asarray(harmonics(np.repeat(notes, 4000)) * np.exp(-3 * (TIME % 0.25) / 0.25))


def clicks() -> np.ndarray:
    struck = np.zeros(len(TIME))
    struck[np.random.default_rng(4).integers(0, len(TIME), 25)] = 0.9
    return struck


def knocks() -> np.ndarray:
    rng = np.random.default_rng(5)
    struck = np.zeros(len(TIME))
    for start in rng.integers(0, len(TIME) - 1600, 15):
        struck[start : start + 1600] += 0.3 * rng.standard_normal(1600) * np.exp(-np.arange(1600) / 200)
    return struck


def glide() -> np.ndarray:
    """A lead of a synthesiser, never twice at one pitch."""
    corners = np.arange(0, SECONDS + 0.3, 0.3)
    pitches = np.random.default_rng(6).uniform(150, 500, len(corners))
    return harmonics(np.interp(TIME, corners, pitches), count=12)


def band() -> np.ndarray:
    """Chords, a held note and knocks together."""
    chords = np.sum([harmonics(np.full(len(TIME), pitch), count=4) for pitch in (131.0, 165.0, 196.0)], axis=0)
    held = harmonics(220 * (1 + 0.02 * np.sin(11 * np.pi * TIME)))
    made: np.ndarray = 0.4 * chords * np.exp(-3 * (TIME % 0.5)) + 0.2 * held + 0.3 * knocks()
    return made


NOISES = {
    f"{name} noise at {level}": (colour, level)
    for name, colour in (("white", 0.0), ("pink", 1.0), ("brown", 2.0), ("blue", -1.0))
    for level in (0.5, 0.02)
}
VOICELESS: dict[str, Callable[[], Samples]] = {
    "hum": lambda: as_samples(harmonics(np.full(len(TIME), 50.0))),
    "hum that is switched": lambda: as_samples(harmonics(np.full(len(TIME), 50.0)) * (TIME % 2 < 1)),
    "a tone": lambda: tone(440, SECONDS),
    "beeps": lambda: as_samples(0.3 * np.sin(2 * np.pi * 1000 * TIME) * (TIME % 1 < 0.3)),
    "dialling": lambda: as_samples(
        0.2 * (np.sin(2 * np.pi * 770 * TIME) + np.sin(2 * np.pi * 1336 * TIME)) * (TIME % 0.5 < 0.2)
    ),
    "a siren": lambda: as_samples(harmonics(700 + 300 * np.sin(np.pi * TIME), count=1)),
    "a melody": lambda: as_samples(melody()),
    "a held note": lambda: as_samples(harmonics(220 * (1 + 0.02 * np.sin(11 * np.pi * TIME)))),
    "a lead that glides": lambda: as_samples(glide()),
    "a band": lambda: as_samples(band()),
    "clicks": lambda: as_samples(clicks()),
    "knocks": lambda: as_samples(knocks()),
    "wind": lambda: as_samples(noise(1.5, SECONDS, 0.5) / 32767 * (0.55 + 0.45 * np.sin(2.5 * TIME))),
    "steam": lambda: as_samples(noise(0, SECONDS, 0.3) / 32767 * (0.5 + 0.5 * np.sin(8 * np.pi * TIME))),
    "noise that grows louder": lambda: as_samples(noise(0, SECONDS, 0.3) / 32767 * np.where(TIME < 2, 0.2, 1.0)),
}


def voiceless() -> dict[str, Samples]:
    """Return each by what it is, SECONDS long."""
    noises = {name: noise(colour, SECONDS, level) for name, (colour, level) in NOISES.items()}
    return noises | {name: make() for name, make in VOICELESS.items()}
