"""What holds of every transcript and of every stretch of speech, whatever came in."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from loupe.speech.v1.speech_pb2 import Audio, Segment, TranscribeEnd
from loupe.type.v1.engine_pb2 import Engine
from servers.speech.pieces import Piece, grouped
from servers.speech.transcript import Transcript
from servers.speech.voice import listen
from tests import sounds

TIMES_MS = st.integers(-1000, 70_000)
CONFIDENCES = st.floats(allow_nan=True, allow_infinity=True)
WORDS = st.tuples(st.text(max_size=8), TIMES_MS, TIMES_MS, CONFIDENCES)
SEGMENTS = st.tuples(st.text(max_size=20), TIMES_MS, TIMES_MS, CONFIDENCES, st.lists(WORDS, max_size=4))


def segment_of(text, start, end, confidence, words) -> Segment:
    segment = Segment(text=text, confidence=confidence)
    segment.start.FromMilliseconds(start)
    segment.end.FromMilliseconds(end)
    for said, first, last, sure in words:
        word = segment.words.add(text=said, confidence=sure)
        word.start.FromMilliseconds(first)
        word.end.FromMilliseconds(last)
    return segment


@given(st.lists(SEGMENTS, max_size=8))
def test_segments_are_numbered_in_order_apart_and_within_the_recording(drawn):
    told = TranscribeEnd(audio=Audio())
    told.audio.duration.FromMilliseconds(60_000)
    transcript = Transcript(told)
    taken = [one for one in (transcript.take(segment_of(*parts)) for parts in drawn) if one]
    assert [one.id for one in taken] == [f"s{number}" for number in range(1, len(taken) + 1)]
    until = 0
    for one in taken:
        start, end = one.start.ToMilliseconds(), one.end.ToMilliseconds()
        assert until <= start < end <= 60_000
        assert one.text.strip() == one.text != ""
        assert 0 <= one.confidence <= 1
        latest = start
        for word in one.words:
            assert latest <= word.start.ToMilliseconds() <= word.end.ToMilliseconds() <= end
            assert 0 <= word.confidence <= 1
            latest = word.end.ToMilliseconds()
        until = end
    assert transcript.end(Engine(name="e"), "en", 0.5).HasField("no_speech") == (not taken)


PARTS = st.lists(
    st.tuples(st.sampled_from(["voice", "silence", "noise", "tone"]), st.floats(0.05, 3.0), st.floats(0.01, 1.0)),
    min_size=1,
    max_size=6,
)


def sound_of(kind: str, seconds: float, level: float) -> sounds.Samples:
    if kind == "voice":
        voice = sounds.go_forward()
        return (voice[: round(seconds * sounds.RATE_HZ)] * level).astype(np.int16)
    if kind == "silence":
        return sounds.silence(seconds)
    return sounds.noise(1, seconds, level) if kind == "noise" else sounds.tone(300, seconds, level)


@settings(max_examples=25, deadline=None)
@given(PARTS)
def test_stretches_of_speech_are_in_order_apart_and_within_the_recording(parts):
    samples = np.concatenate([sound_of(*part) for part in parts])
    heard = listen(samples)
    until = 0
    for span in heard.spans:
        assert until <= span.start < span.end <= len(samples)
        until = span.end
    assert (heard.nothing is None) == bool(heard.spans)
    assert 0 <= heard.speech_share <= 1


@given(st.lists(st.tuples(st.integers(0, 160_000), st.integers(1, 320_000)), max_size=8))
def test_pieces_hold_every_stretch_once_and_are_short_enough(drawn):
    spans, at = [], 0
    for pause, length in drawn:
        spans.append((at + pause, at + pause + length))
        at += pause + length
    groups = [list(group) for group in grouped(spans)]
    assert [span for group in groups for span in group] == spans
    assert all(group[-1][1] - group[0][0] <= 30 * 16_000 for group in groups)


@given(
    st.integers(0, 2**31), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=3), st.binary(max_size=40)
)
def test_a_piece_comes_back_from_its_frame(start, spans, samples):
    piece = Piece(start, tuple(spans), samples)
    assert Piece.unpack(piece.pack()) == piece
