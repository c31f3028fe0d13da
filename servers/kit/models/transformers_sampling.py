"""How the next token is chosen: by the request's sampling, with its seed, and only what its JSON schema allows.

All of it stands in one logits processor that leaves a single token, so that a seed is the request's own: the generator
of torch is shared by a whole process.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from loupe.router.v1.router_pb2 import CompleteRequest
from servers.kit.errors import InvalidField

_ANY_OBJECT = '{"type": "object"}'


class Chooser:
    """Chooses the tokens of one answer."""

    def __init__(self, request: CompleteRequest, defaults: Any, prompt_tokens: int, grammar: Grammar | None) -> None:
        sampling = request.sampling
        own_temperature = float(defaults.temperature or 1.0) if defaults.do_sample else 0.0
        self._temperature = sampling.temperature if sampling.HasField("temperature") else own_temperature
        self._top_p = sampling.top_p if sampling.HasField("top_p") else float(defaults.top_p or 1.0)
        self._top_k = int(defaults.top_k or 0)
        self._presence = sampling.presence_penalty
        self._frequency = sampling.frequency_penalty
        self._prompt_tokens = prompt_tokens
        self._grammar = grammar
        self._generator = torch.Generator()
        if sampling.HasField("seed"):
            self._generator.manual_seed(sampling.seed)
        else:
            self._generator.seed()

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Return scores in which one token is possible: [1, vocabulary] in, the same out."""
        row = scores[0].float().cpu().clone()
        made = input_ids[0, self._prompt_tokens :].cpu()
        if self._presence or self._frequency:
            # OpenAI's formula (API reference, frequency and presence penalties).
            tokens, counts = torch.unique(made, return_counts=True)
            row[tokens] -= self._presence + self._frequency * counts.float()
        if self._grammar is not None:
            row = self._grammar.masked(row, made.tolist())
        chosen = torch.full_like(scores, float("-inf"))
        chosen[0, self._pick(row)] = 0.0
        return chosen

    def _pick(self, row: Any) -> int:
        if self._temperature <= 0:
            return int(row.argmax())
        row = row / self._temperature
        if 0 < self._top_k < row.shape[0]:
            row[row < row.topk(self._top_k).values[-1]] = float("-inf")
        probabilities, order = row.softmax(0).sort(descending=True)
        if self._top_p < 1:
            # The smallest set that reaches top_p; the first always stays.
            probabilities[probabilities.cumsum(0) - probabilities >= self._top_p] = 0
        return int(order[torch.multinomial(probabilities, 1, generator=self._generator)])


class Grammar:
    """What a JSON schema allows next."""

    def __init__(self, schema_json: str, tokenizer: Any) -> None:
        """Take an `llguidance` tokenizer. Raises InvalidField for a schema that it can't follow."""
        from llguidance import LLMatcher

        # Where a schema allows any white space a small model may write nothing else until its limit.
        grammar = LLMatcher.grammar_from_json_schema(schema_json, defaults={"whitespace_flexible": False})
        self._matcher = LLMatcher(tokenizer, grammar)
        self._taken = 0
        if self._matcher.is_error():
            raise InvalidField("response_format.json_schema.schema_json", self._matcher.get_error())

    def masked(self, row: Any, made: list[int]) -> Any:
        """Return the scores with all that the schema does not allow after `made` at minus infinity."""
        for token in made[self._taken :]:
            self._matcher.consume_token(token)
        self._taken = len(made)
        mask = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        allowed = np.unpackbits(mask, bitorder="little")[: row.shape[0]].astype(bool)
        row[: len(allowed)][torch.from_numpy(~allowed)] = float("-inf")
        row[len(allowed) :] = float("-inf")  # rows of the matrix beyond the vocabulary
        return row


def schema_of(request: CompleteRequest) -> str | None:
    """Return the JSON schema that an answer must follow; None where any text will do."""
    kind = request.response_format.WhichOneof("kind")
    if kind is None:
        return None
    return request.response_format.json_schema.schema_json if kind == "json_schema" else _ANY_OBJECT
