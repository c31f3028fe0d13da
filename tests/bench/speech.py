"""How well the builtin engine writes down speech: `python -m tests.bench.speech [FOLDER]`.

A folder of clips of one's own has a manifest.json, a list of {"file": ..., "text": ...}; an empty text is a clip in
which nobody speaks.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from servers.speech.decoding import RecordingLimits, decode
from servers.speech.recognizer import Recognizer
from servers.speech.voice import listen
from servers.speech.wording import segments_of, together
from tests import sounds
from tests.bench.table import Row, print_table
from tests.voiceless import voiceless

_LIMITS = RecordingLimits(100 << 20, 1800)


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording and what is said in it."""

    kind: str
    recording: bytes
    text: str


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a clip."""

    kind: str
    errors: int
    word_count: int
    heard: str
    cpu_s: float
    duration_s: float


def speech(folder: Path | None = None) -> list[Row]:
    """Return the rows: words wrong by kind of clip, the time it takes, and words where nobody speaks."""
    recognizer = Recognizer()
    results = [_result(recognizer, clip) for clip in (of_folder(folder) if folder else own_clips())]
    return [_row(kind, [one for one in results if one.kind == kind]) for kind in dict.fromkeys(r.kind for r in results)]


def own_clips() -> Iterable[Clip]:
    """Yield the one voice there is, as it was and made worse, and sounds without one."""
    voice = sounds.go_forward()
    yield Clip("a person, clean", sounds.recorded(voice), sounds.GO_FORWARD_WORDS)
    for kind in ("mp3", "opus", "aac"):
        yield Clip("a person, compressed", sounds.recorded(voice, kind), sounds.GO_FORWARD_WORDS)
    for snr_db in (20, 10):
        for colour in (0, 1):
            yield Clip(f"a person, noise at {snr_db} dB", _noisy(voice, snr_db, colour), sounds.GO_FORWARD_WORDS)
    for samples in voiceless().values():
        yield Clip("nobody", sounds.recorded(samples), "")


def of_folder(folder: Path) -> Iterable[Clip]:
    """Yield the clips that a folder's manifest names, by their container."""
    for one in json.loads((folder / "manifest.json").read_text()):
        path = folder / one["file"]
        kind = f"{folder.name}, {path.suffix[1:]}" if one["text"] else "nobody"
        yield Clip(kind, path.read_bytes(), one["text"])


def word_errors(said: str, heard: str) -> tuple[int, int]:
    """Return the fewest words to replace, add or leave out, and the words that were said."""
    wanted, found = (re.sub(r"[^a-z' ]+", " ", text.lower()).split() for text in (said, heard))
    row = list(range(len(found) + 1))
    for count, word in enumerate(wanted, 1):
        before, row[0] = row[0], count
        for at, other in enumerate(found, 1):
            before, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, before + (word != other))
    return row[-1], len(wanted)


def _result(recognizer: Recognizer, clip: Clip) -> Result:
    started = time.process_time()
    sound = decode(clip.recording, _LIMITS)
    assert sound is not None
    segments = []
    for group in together([(span.start, span.end) for span in listen(sound.samples).spans]):
        words = recognizer.words(sound.samples[group[0][0] : group[-1][1]])
        segments += segments_of(words, group, 0)
    heard = " ".join(segment.text for segment in segments)
    spent = time.process_time() - started
    return Result(clip.kind, *word_errors(clip.text, heard), heard, spent, sound.duration_s)


def _row(kind: str, results: Sequence[Result]) -> Row:
    speed = sum(one.cpu_s for one in results) / sum(one.duration_s for one in results)
    about = f"n={len(results)}; {speed:.2f} s of a core for a second of sound"
    if kind == "nobody":
        return Row("speech: words where nobody speaks", str(sum(bool(one.heard) for one in results)), about)
    rate = sum(one.errors for one in results) / sum(one.word_count for one in results)
    return Row(f"speech: {kind}", f"{rate:.0%} of words wrong", about)


def _noisy(voice: sounds.Samples, snr_db: float, colour: float) -> bytes:
    hiss = sounds.noise(colour, len(voice) / sounds.RATE_HZ, 0.5)[: len(voice)].astype(np.float64)
    power = float(np.square(voice.astype(np.float64)).mean())
    hiss *= (power / 10 ** (snr_db / 10) / np.square(hiss).mean()) ** 0.5
    return sounds.recorded(sounds.as_samples((voice + hiss) / 32767))


if __name__ == "__main__":
    print_table(speech(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
