"""PP-OCRv6, warm in this process: the strip of a line in, its letters and where they stand out."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from servers.kit.errors import NotReady
from servers.vision.text.alphabet import BLANK, FOREIGN, SPACE, Alphabet

STRIP_HEIGHT_PX = 48
"""What the network was trained at."""
_STEP_PX = 8  # of the strip, for each column of its answer
_PEAK_IN_STEP = 0.25
"""Where in its step a letter's middle is on average (1,141 letters, standard deviation 2.7 px)."""
_LEAST_PROBABILITY = 0.01
"""What is less is a character of another language, or a letter where digits are asked for."""
_MODEL = Path("models", "PP-OCRv6_rec_small.onnx")


@dataclass(frozen=True, slots=True)
class Letter:
    """A character as the network read it."""

    text: str
    x_px: float
    """About its middle, in the strip's pixels."""
    probability: float
    space_before: float
    """The probability of a space between it and the letter before."""


def recognise(grey: NDArray[np.uint8], *, digits_only: bool = False) -> list[Letter]:
    """Return the letters of a strip, dark on light, from left to right.

    Args:
      grey: uint8 [48, w].
      digits_only: only digits, separators, signs, % and currency are considered.
    Raises:
      NotReady: the weights are not installed.
    Greedy decoding of connectionist temporal classification (Graves et al. 2006).
    """
    network = _network()
    missing = -grey.shape[1] % _STEP_PX
    padded = np.pad(grey, ((0, 0), (0, missing)), constant_values=255)
    pixels = np.broadcast_to(padded.astype(np.float32) / 127.5 - 1, (1, 3, *padded.shape))
    (answer,) = network.session.run(None, {network.input_name: np.ascontiguousarray(pixels)})
    letters = _letters(network.alphabet.fold(answer[0], digits_only=digits_only), network.alphabet.texts)
    return [letter for letter in letters if letter.probability >= _LEAST_PROBABILITY]


def warm() -> None:
    """Load the network now instead of at the first picture.

    Raises:
      NotReady: its weights are not installed.
    """
    _network()


def _letters(probabilities: NDArray[np.float32], texts: tuple[str, ...]) -> list[Letter]:
    best = probabilities.argmax(axis=1)
    # In place of a foreign character the likeliest of ours, as doubtful as it is.
    foreign = np.flatnonzero(best == FOREIGN)
    best[foreign] = FOREIGN + 1 + probabilities[foreign, FOREIGN + 1 :].argmax(axis=1)
    letters: list[Letter] = []
    space = 0.0
    for run in np.split(np.arange(len(best)), np.flatnonzero(np.diff(best)) + 1):
        space = max(space, float(probabilities[run, SPACE].max()))
        column = int(best[run[0]])
        if column in (BLANK, SPACE):
            continue
        weights = probabilities[run, column].astype(np.float64)
        x_px = float((weights * run).sum() / weights.sum() + _PEAK_IN_STEP) * _STEP_PX
        letters.append(Letter(texts[column], x_px, float(weights.max()), space if letters else 0.0))
        space = 0.0
    return letters


@dataclass(frozen=True, slots=True)
class _Network:
    session: onnxruntime.InferenceSession
    input_name: str
    alphabet: Alphabet


@functools.cache
def _network() -> _Network:
    spec = find_spec("rapidocr")
    weights = Path(spec.origin).parent / _MODEL if spec and spec.origin else _MODEL
    if not weights.is_file():
        raise NotReady("the weights of text recognition are missing: run `pip install '.[vision]'` in the source")
    options = onnxruntime.SessionOptions()
    # One core for each worker of the pool; the order of sums, and so the bytes of an answer, never changes.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Strips differ in length: kept memory would be of the longest of each kind, 50 MB more, and is not faster.
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    characters = session.get_modelmeta().custom_metadata_map["character"].splitlines()
    return _Network(session, session.get_inputs()[0].name, Alphabet(characters))
