"""Requests and answers in Anthropic's Messages format (version 2023-06-01)."""

from __future__ import annotations

import base64
from typing import Any

import orjson

from loupe.router.v1.router_pb2 import (
    CompleteRequest,
    Completion,
    Delta,
    FinishReason,
    Message,
    MessageRole,
    ToolCall,
    ToolCallDelta,
    ToolChoiceMode,
    Usage,
)
from servers.router import failures
from servers.router.configuration import ModelSection
from servers.router.failures import ProviderFailure
from servers.router.formats.openai_answer import MAX_UINT32, loads, says_nothing
from servers.router.formats.openai_request import json_of
from servers.router.images import media_type_of
from servers.router.providers.base import Finish

VERSION = "2023-06-01"
# The API demands a limit; this is what its own examples set.
_DEFAULT_MAX_TOKENS = 1024
_REASONS = {
    "end_turn": FinishReason.FINISH_REASON_STOP,
    "stop_sequence": FinishReason.FINISH_REASON_STOP,
    "max_tokens": FinishReason.FINISH_REASON_LENGTH,
    "model_context_window_exceeded": FinishReason.FINISH_REASON_LENGTH,
    "tool_use": FinishReason.FINISH_REASON_TOOL_CALLS,
    "refusal": FinishReason.FINISH_REASON_POLICY,
}
_CHOICES = {
    ToolChoiceMode.TOOL_CHOICE_MODE_AUTO: {"type": "auto"},
    ToolChoiceMode.TOOL_CHOICE_MODE_NONE: {"type": "none"},
    ToolChoiceMode.TOOL_CHOICE_MODE_REQUIRED: {"type": "any"},
}


def messages_request(request: CompleteRequest, model: ModelSection, *, is_stream: bool) -> bytes:
    """Return the body of a Messages call; images carry their bytes."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": model.upstream or model.name,
        "max_tokens": sampling.max_output_tokens or model.max_output_tokens or _DEFAULT_MAX_TOKENS,
        "messages": _turns(request),
    }
    system = [part.text for message in request.messages if _is_system(message) for part in message.parts if part.text]
    if system:
        body["system"] = "\n\n".join(system)
    if is_stream:
        body["stream"] = True
    for name in ("temperature", "top_p"):
        if sampling.HasField(name):
            body[name] = getattr(sampling, name)
    if sampling.HasField("temperature"):
        body["temperature"] = min(sampling.temperature, 1.0)  # its scale ends there
    if sampling.stop:
        body["stop_sequences"] = list(sampling.stop)
    if request.response_format.HasField("json_schema"):
        schema = json_of(request.response_format.json_schema.schema_json, "response_format.json_schema.schema_json")
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    if request.tools:
        body["tools"] = [
            {
                "name": tool.name,
                "description": tool.description,
                "input_schema": json_of(tool.parameters_json or '{"type":"object"}', "tools.parameters_json"),
            }
            for tool in request.tools
        ]
        choice = request.tool_choice
        if choice.mode == ToolChoiceMode.TOOL_CHOICE_MODE_NAMED:
            body["tool_choice"] = {"type": "tool", "name": choice.name}
        elif choice.mode in _CHOICES:
            body["tool_choice"] = _CHOICES[choice.mode]
    return orjson.dumps(body)


def read_message(body: bytes) -> Completion:
    """Return the answer in the body of a Messages call. Raises ProviderFailure."""
    try:
        data = loads(body)
        if data.get("type") == "error":
            raise failures.of_error_object(data.get("error"))
        made = Completion(finish_reason=_reason(data.get("stop_reason")))
        for block in data["content"]:
            if block["type"] == "text":
                made.text += block["text"]
            elif block["type"] == "tool_use":
                arguments = orjson.dumps(block.get("input") or {}).decode()
                made.tool_calls.append(ToolCall(id=block["id"], name=block["name"], arguments_json=arguments))
        counts = _Counts()
        counts.take(data.get("usage"))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ProviderFailure(failures.MALFORMED, "the answer is no message") from error
    if not made.finish_reason:
        raise ProviderFailure(failures.MALFORMED, "the answer has no stop_reason: it is not whole")
    if says_nothing(made):
        raise ProviderFailure(failures.MALFORMED, "the answer is empty")
    if counts.are_known:
        made.usage.CopyFrom(counts.usage())
    return made


class EventReader:
    """Reads the events of one streamed message."""

    def __init__(self) -> None:
        self._reason = FinishReason.FINISH_REASON_UNSPECIFIED
        self._counts = _Counts()
        self._call_of_block: dict[int, int] = {}
        self.has_stopped = False

    def read(self, data: bytes) -> Delta | None:
        """Return the piece in one event's data; None where it holds none. Raises ProviderFailure."""
        try:
            event = loads(data)
            match event["type"]:
                case "error":
                    raise failures.of_error_object(event.get("error"))
                case "message_start":
                    self._counts.take(event["message"].get("usage"))
                case "content_block_start" if event["content_block"]["type"] == "tool_use":
                    block = event["content_block"]
                    index = self._call_of_block.setdefault(event["index"], len(self._call_of_block))
                    return Delta(tool_calls=[ToolCallDelta(index=index, id=block["id"], name=block["name"])])
                case "content_block_delta":
                    return self._delta(event["index"], event["delta"])
                case "message_delta":
                    self._counts.take(event.get("usage"))
                    self._reason = _reason(event["delta"].get("stop_reason")) or self._reason
                case "message_stop":
                    self.has_stopped = True
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ProviderFailure(failures.MALFORMED, "an event is no JSON of a message") from error
        return None

    def finish(self) -> Finish:
        """Return how the answer ended. Raises ProviderFailure where the stream ended before the answer did."""
        if not self._reason:
            raise ProviderFailure(failures.MALFORMED, "the stream ended before the answer did")
        return Finish(self._reason, self._counts.usage() if self._counts.are_known else None)

    def _delta(self, block: int, delta: dict[str, Any]) -> Delta | None:
        if delta["type"] == "text_delta" and delta["text"]:
            return Delta(text=delta["text"])
        if delta["type"] == "input_json_delta" and delta["partial_json"]:
            call = ToolCallDelta(index=self._call_of_block[block], arguments_json=delta["partial_json"])
            return Delta(tool_calls=[call])
        return None


class _Counts:
    """Tokens as they are told, in several events; each count is the whole so far."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}

    @property
    def are_known(self) -> bool:
        return "input_tokens" in self._told

    def take(self, usage: Any) -> None:
        if not isinstance(usage, dict):
            return
        for name in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
            if usage.get(name) is not None:
                count = int(usage[name])
                if not 0 <= count <= MAX_UINT32:
                    raise ValueError("a count of tokens is none")
                self._told[name] = count

    def usage(self) -> Usage:
        read = self._told.get("cache_read_input_tokens", 0)
        # What was read from the cache, or written to it, is not part of their input_tokens; it is of ours.
        whole = self._told.get("input_tokens", 0) + read + self._told.get("cache_creation_input_tokens", 0)
        return Usage(input_tokens=whole, output_tokens=self._told.get("output_tokens", 0), cached_input_tokens=read)


def _reason(word: str | None) -> FinishReason.ValueType:
    if not word:
        return FinishReason.FINISH_REASON_UNSPECIFIED
    return _REASONS.get(word, FinishReason.FINISH_REASON_STOP)


def _is_system(message: Message) -> bool:
    return message.role == MessageRole.MESSAGE_ROLE_SYSTEM


def _turns(request: CompleteRequest) -> list[dict[str, Any]]:
    """Return the conversation without system messages; neighbours of one role become one turn, as the API wants."""
    turns: list[dict[str, Any]] = []
    for message in request.messages:
        if _is_system(message):
            continue
        role = "assistant" if message.role == MessageRole.MESSAGE_ROLE_ASSISTANT else "user"
        blocks = _blocks(message)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(message: Message) -> list[dict[str, Any]]:
    content = [
        {"type": "text", "text": part.text}
        if part.HasField("text")
        else {
            "type": "image",
            "source": {
                "type": "base64",
                "media_type": media_type_of(part.image.content),
                "data": base64.b64encode(part.image.content).decode(),
            },
        }
        for part in message.parts
        if part.HasField("image") or part.text  # an empty text is an error there
    ]
    if message.role == MessageRole.MESSAGE_ROLE_TOOL:
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id, "content": content}]
    calls = [
        {
            "type": "tool_use",
            "id": call.id,
            "name": call.name,
            "input": json_of(call.arguments_json or "{}", "tool_calls.arguments_json"),
        }
        for call in message.tool_calls
    ]
    return content + calls
