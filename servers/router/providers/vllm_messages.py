"""Requests and answers as `vllm.grpc.engine.VllmEngine` has them (smg-grpc-servicer 0.14, with vLLM 0.32)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import orjson

from loupe.router.v1.router_pb2 import CompleteRequest, Delta, FinishReason, Usage
from servers.router import failures
from servers.router.configuration import ModelSection
from servers.router.detokenizing import Detokenizer, StopStrings
from servers.router.failures import ProviderFailure
from servers.router.formats.openai_request import data_url, json_of
from servers.router.providers.base import Finish
from vllm_grpc.vllm_engine_pb2 import (
    IMAGE,
    GenerateRequest,
    GenerateResponse,
    MediaRef,
    MediaRefs,
    SamplingParams,
    TokenizedInput,
)

# vLLM's field is signed, and -1 would be "no seed".
_SEED_MASK = 2**31 - 1
_REASONS = {"stop": FinishReason.FINISH_REASON_STOP, "length": FinishReason.FINISH_REASON_LENGTH}
_SPOKEN: tuple[Literal["temperature", "top_p", "presence_penalty", "frequency_penalty"], ...] = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
)
_DEFAULTS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")


def generate_request(
    request_id: str,
    tokens: Sequence[int],
    request: CompleteRequest,
    model: ModelSection,
    defaults: Mapping[str, Any],
    *,
    is_stream: bool,
) -> GenerateRequest:
    """Return a chat as vLLM takes it; images carry their bytes.

    Args:
      defaults: what the model's own generation_config.json asks for, where the caller says nothing.
    """
    made = GenerateRequest(
        request_id=request_id,
        tokenized=TokenizedInput(input_ids=tokens),
        sampling_params=_sampling(request, model, defaults),
        stream=is_stream,
    )
    pictures = [part.image.content for message in request.messages for part in message.parts if part.HasField("image")]
    if pictures:
        items = [MediaRef(modality=IMAGE, url=data_url(content)) for content in pictures]
        made.media_refs.CopyFrom(MediaRefs(items=items))
    return made


def _sampling(request: CompleteRequest, model: ModelSection, defaults: Mapping[str, Any]) -> SamplingParams:
    wanted = request.sampling
    made = SamplingParams(skip_special_tokens=True, stop=wanted.stop)
    for name in _DEFAULTS:
        value = defaults.get(name)
        if isinstance(value, int | float) and value >= 0:
            setattr(made, name, value)
    for spoken in _SPOKEN:
        if wanted.HasField(spoken):
            setattr(made, spoken, getattr(wanted, spoken))
    limit = wanted.max_output_tokens or model.max_output_tokens
    if limit:
        made.max_tokens = limit
    if wanted.HasField("seed"):
        made.seed = wanted.seed & _SEED_MASK
    kind = request.response_format.WhichOneof("kind")
    if kind == "json_object":
        made.json_object = True
    elif kind == "json_schema":
        schema = json_of(request.response_format.json_schema.schema_json, "response_format.json_schema.schema_json")
        made.json_schema = orjson.dumps(schema).decode()
    return made


class AnswerReader:
    """Reads the responses of one chat."""

    def __init__(self, decode: Callable[[list[int]], str], tokens: Sequence[int], stops: Sequence[str]) -> None:
        self._text = Detokenizer(decode, tokens)
        self._stops = StopStrings(stops)
        self._reason = ""
        self._usage: Usage | None = None

    @property
    def is_over(self) -> bool:
        """Whether a stop string ended the answer, whatever the server still says."""
        return self._stops.has_stopped

    def read(self, response: GenerateResponse) -> Delta | None:
        """Return the piece in one response; None where it holds none. Raises ProviderFailure."""
        text = ""
        if response.HasField("chunk"):
            chunk = response.chunk
            self._count(chunk.prompt_tokens, len(chunk.token_ids), chunk.cached_tokens)
            text = self._stops.feed(self._text.feed(chunk.token_ids))
        elif response.HasField("complete"):
            complete = response.complete
            if self._usage is None:  # else chunks have brought these tokens before
                self._count(complete.prompt_tokens, len(complete.output_ids), complete.cached_tokens)
                text = self._stops.feed(self._text.feed(complete.output_ids))
            text += self._stops.feed(self._text.flush()) + self._stops.flush()
            self._reason = complete.finish_reason
            if self._reason not in _REASONS:
                raise ProviderFailure(failures.SERVER, "vLLM gave the request up")
        return Delta(text=text) if text else None

    def finish(self) -> Finish:
        """Return how the answer ended. Raises ProviderFailure where the responses ended before the answer did."""
        if self.is_over:
            return Finish(FinishReason.FINISH_REASON_STOP, self._usage)
        if not self._reason:
            raise ProviderFailure(failures.MALFORMED, "the responses ended before the answer did")
        return Finish(_REASONS[self._reason], self._usage)

    def _count(self, prompt: int, made: int, cached: int) -> None:
        if self._usage is None:
            self._usage = Usage(input_tokens=prompt, cached_input_tokens=min(cached, prompt))
        self._usage.output_tokens += made
