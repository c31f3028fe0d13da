"""What is taken for a voice, and what never is."""

from __future__ import annotations

import numpy as np
import pytest

from loupe.speech.v1.speech_pb2 import NoSpeechReason
from servers.speech.recognizer import SpokenWord
from servers.speech.voice import listen
from servers.speech.wording import segments_of, together
from tests import sounds
from tests.sounds import RATE_HZ, as_samples, noise
from tests.voiceless import voiceless


@pytest.mark.parametrize(
    ("name", "samples"), voiceless().items(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_sound_without_a_voice_holds_no_speech(name, samples):
    heard = listen(samples)
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
