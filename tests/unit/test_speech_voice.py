"""What is taken for a voice, and what never is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from loupe.speech.v1.speech_pb2 import NoSpeechReason
from servers.speech.recognizer import SpokenWord
from servers.speech.voice import listen
from servers.speech.wording import segments_of, together
from tests import sounds
from tests.sounds import RATE_HZ, as_samples, noise, tone

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


NOISES = {
    f"{name} noise at {level}": (colour, level)
    for name, colour in (("white", 0.0), ("pink", 1.0), ("brown", 2.0), ("blue", -1.0))
    for level in (0.5, 0.02)
}
VOICELESS: dict[str, Callable[[], sounds.Samples]] = {
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
    "clicks": lambda: as_samples(clicks()),
    "knocks": lambda: as_samples(knocks()),
    "wind": lambda: as_samples(noise(1.5, SECONDS, 0.5) / 32767 * (0.55 + 0.45 * np.sin(2.5 * TIME))),
    "steam": lambda: as_samples(noise(0, SECONDS, 0.3) / 32767 * (0.5 + 0.5 * np.sin(8 * np.pi * TIME))),
    "noise that grows louder": lambda: as_samples(noise(0, SECONDS, 0.3) / 32767 * np.where(TIME < 2, 0.2, 1.0)),
}


@pytest.mark.parametrize("name", [*NOISES, *VOICELESS])
def test_a_sound_without_a_voice_holds_no_speech(name):
    heard = listen(noise(NOISES[name][0], SECONDS, NOISES[name][1]) if name in NOISES else VOICELESS[name]())
    assert heard.spans == ()
    assert heard.nothing is not None
    assert heard.nothing.reason == NoSpeechReason.NO_SPEECH_REASON_NO_VOICE
    assert heard.speech_share == 0


@pytest.mark.parametrize(
    "samples",
    [
        sounds.silence(3),
        as_samples(np.random.default_rng(0).standard_normal(48_000) / 32768),
        np.full(100, 3, np.int16),
    ],
    ids=["nothing", "the last bit", "shorter than a window"],
)
def test_what_nobody_could_hear_is_silence_with_its_level(samples):
    heard = listen(samples)
    assert heard.nothing is not None
    assert heard.nothing.reason == NoSpeechReason.NO_SPEECH_REASON_SILENCE
    assert heard.nothing.detail.startswith("the loudest tenth of a second is at -")


@pytest.mark.parametrize("factor", [0.1, 1.0, 8.0])
def test_a_voice_is_found_whether_it_is_loud_or_soft(factor):
    voice = as_samples(sounds.go_forward() / 32767 * factor)
    (span,) = listen(np.concatenate([sounds.silence(2), voice, sounds.silence(2)])).spans
    assert 2.0 < span.start / RATE_HZ < 2.5
    assert 4.0 < span.end / RATE_HZ < 4.8


def test_a_voice_is_found_in_noise_and_the_noise_around_it_is_left_out():
    voice = np.concatenate([sounds.silence(3), sounds.go_forward(), sounds.silence(3)])
    spans = listen(voice + noise(0, len(voice) / RATE_HZ, 0.02)[: len(voice)]).spans
    assert 3.0 < spans[0].start / RATE_HZ < 3.6
    assert 4.5 < spans[-1].end / RATE_HZ < 5.8


def test_speech_without_a_pause_is_cut_where_it_is_quietest():
    (span,) = listen(sounds.go_forward()).spans
    cut = sounds.go_forward()[span.start + 5000 : span.end - 6000]
    heard = listen(np.tile(cut, 25))
    assert sum(part.end - part.start for part in heard.spans) > 0.9 * 25 * len(cut)
    assert all(part.end - part.start <= 20.1 * RATE_HZ for part in heard.spans)


def word(text: str, start_s: float, end_s: float, confidence: float = 0.9) -> SpokenWord:
    return SpokenWord(text, start_s, end_s, confidence)


def test_neighbouring_stretches_are_recognised_together_but_not_across_long_pauses():
    second = RATE_HZ
    spans = [(0, second), (2 * second, 3 * second), (5 * second, 12 * second), (13 * second, 20 * second)]
    assert [list(group) for group in together(spans)] == [spans[:2], spans[2:]]
    long = [(number * 10 * second, (number * 10 + 9) * second) for number in range(3)]
    assert [list(group) for group in together(long)] == [[span] for span in long]


def test_words_go_to_the_stretch_in_which_they_were_said():
    spans = [(0, RATE_HZ), (2 * RATE_HZ, 3 * RATE_HZ)]
    said = [word("one", 0.1, 0.8), word("two", 2.0, 2.5), word("three", 2.5, 3.0)]
    first, second = segments_of(said, spans, 5 * RATE_HZ)
    assert (first.text, first.start.ToMilliseconds(), first.end.ToMilliseconds()) == ("one", 5100, 5800)
    assert (second.text, second.words[1].start.ToMilliseconds()) == ("two three", 7500)


@pytest.mark.parametrize(
    "said",
    [[], [word("oh", 0.5, 0.9)], [word("and", 0.0, 1.0, 0.05), word("in", 1.0, 2.0, 0.1)]],
    ids=["no words", "hardly a word", "doubtful words"],
)
def test_what_nobody_may_have_said_is_left_out(said):
    assert segments_of(said, [(0, 2 * RATE_HZ)], 0) == []
