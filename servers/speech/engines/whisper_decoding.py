"""Whisper on one piece of speech, token by token: what is said, when, in which language, and how sure each of it is.

Greedy, with timestamps, by the rules of Radford et al. 2022 (section 4.5): no samples are drawn at rising temperatures,
so that the same piece gives the same words.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers.generation.logits_process import WhisperTimeStampLogitsProcessor

from servers.kit.errors import InvalidField, NotReady
from servers.kit.models.transformers_loading import LOCAL, Place, size_bytes, weights
from servers.speech.languages import ENGLISH, primary
from servers.speech.pieces import SAMPLE_RATE_HZ

_TIMESTAMP_S = 0.02
# Text that packs better than this goes round in circles; the threshold of Whisper's own code.
_MOST_COMPRESSION = 2.4


@dataclass(frozen=True, slots=True)
class LoadedWhisper:
    """A model that can be asked."""

    model: Any
    tokenizer: Any
    extractor: Any
    place: Place
    memory_bytes: int
    """Of the weights."""


@dataclass(frozen=True, slots=True)
class Said:
    """One stretch between two of the model's timestamps, in seconds from the begin of the piece."""

    text: str
    start_s: float
    end_s: float
    mean_log_probability: float


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the model made of a piece."""

    said: tuple[Said, ...]
    language: str
    language_confidence: float
    no_speech_probability: float


class Stopped(Exception):
    """Nobody waits for the piece any more."""


def load(folder: Path, place: Place) -> LoadedWhisper:
    """Return the Whisper of a folder; nothing is fetched and no program of the folder runs.

    Raises:
      NotReady: it can't be loaded, lacks weights, or is no Whisper.
    """
    try:
        config = transformers.AutoConfig.from_pretrained(folder, **LOCAL)
        if config.model_type != "whisper":
            raise NotReady(f"the model in {folder} is {config.model_type}; speech is written down by Whisper")
        model = weights(transformers.WhisperForConditionalGeneration, folder, place)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **LOCAL)
        extractor = transformers.WhisperFeatureExtractor.from_pretrained(folder, **LOCAL)
    except NotReady:
        raise
    except Exception as error:  # the libraries raise nothing narrower
        raise NotReady(f"the model in {folder} can't be loaded: {type(error).__name__}: {error}") from error
    return LoadedWhisper(model, tokenizer, extractor, place, size_bytes(model))


def decode(loaded: LoadedWhisper, samples: bytes, language: str, must_stop: Callable[[], bool]) -> Decoded:
    """Return what is said in a piece.

    Args:
      samples: 16 kHz, 16 bits, at most 30 s.
      language: BCP 47; empty: the model tells.
    Raises:
      InvalidField: the model doesn't know the language.
      Stopped: it was told to stop, which it looks for before each token.
    """
    with torch.inference_mode():
        return _Decoding(loaded, must_stop).run(samples, language)


class _Decoding:
    def __init__(self, loaded: LoadedWhisper, must_stop: Callable[[], bool]) -> None:
        self._loaded = loaded
        self._model = loaded.model
        self._settings = loaded.model.generation_config
        self._must_stop = must_stop
        self._encoded: Any = None
        self._past: Any = None

    def run(self, samples: bytes, language: str) -> Decoded:
        sound = np.frombuffer(samples, "<i2").astype(np.float32) / 32768
        features = self._loaded.extractor(sound, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt").input_features
        self._check()
        self._encoded = self._model.get_encoder()(features.to(self._model.device, self._model.dtype))
        begin = [self._settings.decoder_start_token_id]
        first = self._logits(begin)
        # The token before <|notimestamps|> stands for a piece in which nobody speaks.
        silent = float(first.softmax(-1)[self._settings.no_timestamps_token_id - 1])
        spoken, confidence, token = self._language(first, language)
        prompt = begin if token is None else [*begin, token, self._settings.task_to_id["transcribe"]]
        tokens, log_probabilities = self._tokens(prompt)
        said = self._said(tokens, log_probabilities, len(sound) / SAMPLE_RATE_HZ)
        return Decoded(tuple(said), spoken, confidence, silent)

    def _language(self, logits: Any, wished: str) -> tuple[str, float, int | None]:
        """Return the language, how sure it is, and its token; None for a model of English alone."""
        known: dict[str, int] = getattr(self._settings, "lang_to_id", None) or {}
        names = {token.strip("<|>"): number for token, number in known.items()}
        if not getattr(self._settings, "is_multilingual", False):
            names = {ENGLISH: -1}
        if wished:
            if primary(wished) not in names:
                told = ", ".join(sorted(names))
                raise InvalidField("language", f"the model does not know {wished!r}; it knows {told}")
            number = names[primary(wished)]
            return wished, 1.0, number if number >= 0 else None
        if names == {ENGLISH: -1}:
            return ENGLISH, 0.0, None
        chances = logits[list(names.values())].softmax(-1)
        best = int(chances.argmax())
        return list(names)[best], float(chances[best]), list(names.values())[best]

    def _tokens(self, prompt: list[int]) -> tuple[list[int], list[float]]:
        """Return the tokens after the prompt, and each one's log probability."""
        timestamps = WhisperTimeStampLogitsProcessor(self._settings, begin_index=len(prompt))
        suppressed = list(self._settings.suppress_tokens or ())
        at_first = list(self._settings.begin_suppress_tokens or ())
        # Whisper was trained on texts of half its positions; the other half is for a text before.
        most = self._model.config.max_target_positions // 2
        self._past = None
        tokens: list[int] = []
        log_probabilities: list[float] = []
        logits = self._logits(prompt)
        while len(tokens) < most:
            blocked = suppressed + (at_first if not tokens else [])
            logits[[token for token in blocked if token < len(logits)]] = -torch.inf
            context = torch.tensor([prompt + tokens], device=logits.device)
            chances = timestamps(context, logits[None])[0].log_softmax(-1)
            token = int(chances.argmax())
            if token == self._settings.eos_token_id:
                break
            tokens.append(token)
            log_probabilities.append(float(chances[token]))
            logits = self._logits([token])
        return tokens, log_probabilities

    def _logits(self, tokens: list[int]) -> Any:
        """Return what may follow these tokens, and those before them since `_past` was emptied."""
        self._check()
        made = self._model(
            encoder_outputs=self._encoded,
            decoder_input_ids=torch.tensor([tokens], device=self._model.device),
            past_key_values=self._past,
            use_cache=True,
        )
        self._past = made.past_key_values
        return made.logits[0, -1].float()

    def _said(self, tokens: list[int], log_probabilities: list[float], duration_s: float) -> list[Said]:
        """Return the text between each two timestamps; what has no second one lasts to the end."""
        begin = self._settings.no_timestamps_token_id + 1
        said: list[Said] = []
        start_s, held, sums = 0.0, [], []  # type: float, list[int], list[float]
        for token, log_probability in [*zip(tokens, log_probabilities, strict=True), (-1, 0.0)]:
            if 0 <= token < begin:
                held.append(token)
                sums.append(log_probability)
                continue
            time_s = duration_s if token < 0 else (token - begin) * _TIMESTAMP_S
            if held:
                text = self._loaded.tokenizer.decode(held, skip_special_tokens=True).strip()
                if text and not _goes_round(text):
                    said.append(Said(text, start_s, max(start_s, time_s), sum(sums) / len(sums)))
            start_s, held, sums = time_s, [], []
        return said

    def _check(self) -> None:
        if self._must_stop():
            raise Stopped


def _goes_round(text: str) -> bool:
    data = text.encode()
    return len(data) / len(zlib.compress(data)) > _MOST_COMPRESSION
