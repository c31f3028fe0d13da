"""One answer of a model, made in a worker thread and heard in the event loop; it can be stopped after any token."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import transformers

from loupe.router.v1.router_pb2 import CompleteRequest, FinishReason, Usage
from servers.kit.errors import UpstreamUnavailable
from servers.kit.models.transformers_loading import Loaded
from servers.kit.models.transformers_prompt import prompt_of
from servers.kit.models.transformers_sampling import Chooser, Grammar, schema_of

_BROKEN = "\ufffd"
"""What a decoder puts for bytes that are no character yet."""
_LONGEST_CHARACTER = 4
"""Bytes of UTF-8, each of which may be a token; what is no character by then will be none."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An answer came to its end, or was told to stop."""

    reason: FinishReason.ValueType
    """Unspecified where it was told to stop."""
    usage: Usage


class Generation:
    """One answer. `run` is for the worker; `events`, `stop` for the loop."""

    def __init__(self, request: CompleteRequest, max_output_tokens: int, until: float | None) -> None:
        """Take the request.

        Args:
          max_output_tokens: where the request sets no limit.
          until: when to stop, on the event loop's clock.
        """
        self.events: asyncio.Queue[str | Ended | BaseException] = asyncio.Queue()  # at most one for each token
        self.usage = Usage()
        self._request = request
        self._limit = request.sampling.max_output_tokens or max_output_tokens
        self._loop = asyncio.get_running_loop()
        self._until = until
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End the work after the token that is being made."""
        self._stopped.set()

    def end(self) -> None:
        """Tell that it will never be made; for a generation whose `run` was not called."""
        self.events.put_nowait(Ended(FinishReason.FINISH_REASON_UNSPECIFIED, self.usage))

    def must_stop(self) -> bool:
        """Return whether it was told to stop, or its time is over."""
        return self._stopped.is_set() or (self._until is not None and self._loop.time() >= self._until)

    def run(self, loaded: Loaded, grammars: Callable[[], Any]) -> None:
        """Make the answer; every piece, the end and any error go to `events`.

        Args:
          grammars: returns llguidance's tokenizer, made at its first use.
        """
        try:
            self._tell(self._made(loaded, grammars))
        except (MemoryError, RuntimeError) as error:
            # torch has a class of its own for accelerators only.
            is_full = isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error)
            self._tell(UpstreamUnavailable("the model ran out of memory for this prompt") if is_full else error)
        except BaseException as error:
            self._tell(error)

    def _made(self, loaded: Loaded, grammars: Callable[[], Any]) -> Ended:
        if self.must_stop():  # while it waited for its turn
            return Ended(FinishReason.FINISH_REASON_UNSPECIFIED, self.usage)
        prompt = prompt_of(self._request, loaded)
        schema = schema_of(self._request)
        grammar = Grammar(schema, grammars()) if schema is not None else None
        self.usage.input_tokens = prompt.token_count
        limit = self._limit
        if loaded.context_tokens:
            limit = min(limit, loaded.context_tokens - prompt.token_count)
        defaults = loaded.model.generation_config
        text = _Text(loaded.tokenizer, list(self._request.sampling.stop), self._tell)
        ends = _as_list(defaults.eos_token_id)
        plan = transformers.GenerationConfig(
            max_new_tokens=limit,
            do_sample=False,
            num_beams=1,
            temperature=1.0,
            top_p=1.0,
            top_k=50,
            repetition_penalty=defaults.repetition_penalty or 1.0,
            eos_token_id=ends or None,
            pad_token_id=defaults.pad_token_id if defaults.pad_token_id is not None else (ends or [0])[0],
            use_cache=True,
        )
        with torch.inference_mode():
            loaded.model.generate(
                **prompt.inputs,
                generation_config=plan,
                logits_processor=[Chooser(self._request, defaults, prompt.token_count, grammar)],
                stopping_criteria=[self._criterion(text)],
                streamer=_Tokens(text, self.usage),
            )
        text.flush()
        if text.was_cut or (text.tokens and text.tokens[-1] in ends):
            reason = FinishReason.FINISH_REASON_STOP
        elif self.must_stop():
            reason = FinishReason.FINISH_REASON_UNSPECIFIED
        else:
            reason = FinishReason.FINISH_REASON_LENGTH
        return Ended(reason, self.usage)

    def _criterion(self, text: _Text) -> Callable[..., Any]:
        def is_over(input_ids: Any, scores: Any, **_: Any) -> Any:
            over = self.must_stop() or text.was_cut
            return torch.full((input_ids.shape[0],), over, dtype=torch.bool, device=input_ids.device)

        return is_over

    def _tell(self, event: str | Ended | BaseException) -> None:
        # The loop is closed only after a server stopped; nobody listens then.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.events.put_nowait, event)


class _Tokens:
    """Takes tokens as `generate` streams them; the first are the prompt's."""

    def __init__(self, text: _Text, usage: Usage) -> None:
        self._text = text
        self._usage = usage
        self._is_prompt = True

    def put(self, value: Any) -> None:
        if self._is_prompt:
            self._is_prompt = False
            return
        tokens = value.reshape(-1).tolist()
        self._usage.output_tokens += len(tokens)
        self._text.add(tokens)

    def end(self) -> None:
        pass


class _Text:
    """Text from tokens, in pieces that are whole characters, up to a stop sequence."""

    def __init__(self, tokenizer: Any, stops: list[str], tell: Callable[[str], None]) -> None:
        self.tokens: list[int] = []
        self.was_cut = False
        """A stop sequence came."""
        self._tokenizer = tokenizer
        self._stops = [stop for stop in stops if stop]
        self._tell = tell
        self._held = ""
        """What may be the beginning of a stop sequence."""
        self._begun, self._read = 0, 0
        """Tokens from `begun` on are decoded together, since a token's text depends on those before it; up to `read`
        their text was taken."""

    def add(self, tokens: list[int]) -> None:
        self.tokens += tokens
        whole, before = self._decoded(self._begun, None), self._decoded(self._begun, self._read)
        is_whole = not whole.endswith(_BROKEN) or len(self.tokens) - self._read >= _LONGEST_CHARACTER
        if not is_whole or len(whole) <= len(before):
            return
        self._begun, self._read = self._read, len(self.tokens)
        self._take(whole[len(before) :])

    def flush(self) -> None:
        """Tell what was held back."""
        whole, before = self._decoded(self._begun, None), self._decoded(self._begun, self._read)
        self._take(whole[len(before) :])
        if self._held and not self.was_cut:
            self._tell(self._held)
        self._held = ""

    def _decoded(self, start: int, end: int | None) -> str:
        return str(self._tokenizer.decode(self.tokens[start:end], skip_special_tokens=True))

    def _take(self, piece: str) -> None:
        if self.was_cut or not piece:
            return
        text = self._held + piece
        found = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if found:
            self.was_cut = True
            text, self._held = text[: min(found)], ""
        else:
            keep = max((_overlap(text, stop) for stop in self._stops), default=0)
            text, self._held = text[: len(text) - keep], text[len(text) - keep :]
        if text:
            self._tell(text)


def _overlap(text: str, stop: str) -> int:
    """Return how many last characters of the text begin the stop sequence."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)


def _as_list(token_ids: int | list[int] | None) -> list[int]:
    if token_ids is None:
        return []
    return [token_ids] if isinstance(token_ids, int) else list(token_ids)
