"""Answers in OpenAI's format, whole and in chunks."""

from __future__ import annotations

from typing import Any

import orjson

from loupe.router.v1.router_pb2 import Completion, Delta, FinishReason, ToolCall, ToolCallDelta, Usage
from servers.router import failures
from servers.router.failures import ProviderFailure
from servers.router.providers.base import Finish, Vectors

FINISH_REASONS = {
    "stop": FinishReason.FINISH_REASON_STOP,
    "length": FinishReason.FINISH_REASON_LENGTH,
    "tool_calls": FinishReason.FINISH_REASON_TOOL_CALLS,
    "function_call": FinishReason.FINISH_REASON_TOOL_CALLS,
    "content_filter": FinishReason.FINISH_REASON_POLICY,
}
_STOP = FinishReason.FINISH_REASON_STOP
_UNSPECIFIED = FinishReason.FINISH_REASON_UNSPECIFIED
MAX_UINT32 = 2**32 - 1


def read_completion(body: bytes) -> Completion:
    """Return the answer in the body of a chat completion.

    Raises:
      ProviderFailure: it is none, or says nothing at all.
    """
    try:
        data = loads(body)
        if data.get("error"):
            raise failures.of_error_object(data["error"])
        choice = data["choices"][0]
        message = choice["message"]
        made = Completion(
            text=message.get("content") or "",
            tool_calls=[
                ToolCall(
                    id=call.get("id") or "",
                    name=call["function"]["name"],
                    arguments_json=call["function"].get("arguments") or "",
                )
                for call in message.get("tool_calls") or ()
            ],
            finish_reason=finish_reason(choice.get("finish_reason")),
        )
        usage = read_usage(data.get("usage"))
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise ProviderFailure(failures.MALFORMED, "the answer is no chat completion") from error
    if not made.finish_reason:
        raise ProviderFailure(failures.MALFORMED, "the answer has no finish_reason: it is not whole")
    if says_nothing(made):
        raise ProviderFailure(failures.MALFORMED, "the answer is empty")
    if usage is not None:
        made.usage.CopyFrom(usage)
    return made


def says_nothing(made: Completion) -> bool:
    """Return whether an answer ended by itself without a word; one that was cut says that it was."""
    return not made.text and not made.tool_calls and made.finish_reason == _STOP


class ChunkReader:
    """Reads the chunks of one streamed answer."""

    def __init__(self) -> None:
        self._reason = _UNSPECIFIED
        self._usage: Usage | None = None

    def read(self, data: bytes) -> Delta | None:
        """Return the piece in one event's data; None where it holds none. Raises ProviderFailure."""
        try:
            chunk = loads(data)
            if chunk.get("error"):
                raise failures.of_error_object(chunk["error"])
            if chunk.get("object") == "error":  # vLLM before 0.9
                raise failures.of_error_object(chunk)
            self._usage = read_usage(chunk.get("usage")) or self._usage
            choices = chunk["choices"]
            if not choices:
                return None
            choice = choices[0]
            if choice.get("finish_reason"):
                self._reason = finish_reason(choice["finish_reason"])
            delta = choice.get("delta") or {}
            text = delta.get("content") or ""
            calls = delta.get("tool_calls")
            if not text and not calls:
                return None
            return Delta(text=text, tool_calls=[_call_delta(call) for call in calls or ()])
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise ProviderFailure(failures.MALFORMED, "a chunk is no JSON of a chat completion") from error

    def finish(self) -> Finish:
        """Return how the answer ended. Raises ProviderFailure where the stream ended before the answer did."""
        if not self._reason:
            raise ProviderFailure(failures.MALFORMED, "the stream ended before the answer did")
        return Finish(self._reason, self._usage)


def read_vectors(body: bytes, count: int) -> Vectors:
    """Return the vectors in the body of an embeddings answer. Raises ProviderFailure."""
    try:
        data = loads(body)
        if data.get("error"):
            raise failures.of_error_object(data["error"])
        rows = sorted(data["data"], key=lambda row: row["index"])
        values = [[float(value) for value in row["embedding"]] for row in rows]
        usage = read_usage(data.get("usage"))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ProviderFailure(failures.MALFORMED, "the answer is no list of embeddings") from error
    if len(values) != count or not all(values):
        raise ProviderFailure(failures.MALFORMED, f"{len(values)} embeddings for {count} texts")
    return Vectors(values, usage)


def loads(body: bytes) -> dict[str, Any]:
    """Return a JSON object. Raises ValueError for anything else."""
    data = orjson.loads(body)
    if not isinstance(data, dict):
        raise ValueError("no JSON object")
    return data


def finish_reason(word: str | None) -> FinishReason.ValueType:
    """Return the contract's word; what no word of ours fits ended by itself."""
    return FINISH_REASONS.get(word, _STOP) if word else _UNSPECIFIED


def read_usage(data: Any) -> Usage | None:
    """Return the provider's own counts, None where there are none. Raises ValueError for impossible ones."""
    if not isinstance(data, dict) or data.get("prompt_tokens") is None:
        return None
    details = data.get("prompt_tokens_details") or {}
    told = (data["prompt_tokens"], data.get("completion_tokens"), details.get("cached_tokens"))
    read, written, cached = (int(count or 0) for count in told)
    if not all(0 <= count <= MAX_UINT32 for count in (read, written, cached)):
        raise ValueError("a count of tokens is none")
    return Usage(input_tokens=read, output_tokens=written, cached_input_tokens=min(cached, read))


def _call_delta(call: dict[str, Any]) -> ToolCallDelta:
    function = call.get("function") or {}
    return ToolCallDelta(
        index=call.get("index") or 0,
        id=call.get("id") or "",
        name=function.get("name") or "",
        arguments_json=function.get("arguments") or "",
    )
