"""Answers of the contract in OpenAI's format; the router's decision goes along under "loupe"."""

from __future__ import annotations

import base64
import struct
import time
from typing import Any

import orjson
from google.protobuf.duration_pb2 import Duration

from loupe.router.v1.router_pb2 import (
    Attempt,
    Completion,
    Delta,
    EmbedResponse,
    End,
    EndState,
    FinishReason,
    Model,
    RouteDecision,
    RoutePolicy,
    Usage,
)
from servers.kit.wire_json import to_object
from servers.router.accounting import class_name

_WORDS = {
    FinishReason.FINISH_REASON_STOP: "stop",
    FinishReason.FINISH_REASON_LENGTH: "length",
    FinishReason.FINISH_REASON_TOOL_CALLS: "tool_calls",
    FinishReason.FINISH_REASON_POLICY: "content_filter",
}
_POLICIES = {number: name for name, number in RoutePolicy.items()}
DONE = b"data: [DONE]\n\n"


def completion_body(made: Completion, asked_for: str) -> bytes:
    """Return the body of a whole answer."""
    message: dict[str, Any] = {"role": "assistant", "content": made.text or None}
    if made.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments_json}}
            for call in made.tool_calls
        ]
    elif not made.text:
        message["content"] = ""
    return orjson.dumps(
        {
            "id": made.call_id,
            "object": "chat.completion",
            "created": int(time.time()),
            "model": asked_for,
            "choices": [
                {"index": 0, "message": message, "logprobs": None, "finish_reason": _WORDS.get(made.finish_reason)}
            ],
            "usage": _usage(made.usage),
            "loupe": own_part(made.decision, made.usage),
        }
    )


def embedding_body(made: EmbedResponse, asked_for: str, *, as_base64: bool) -> bytes:
    """Return the body of an embeddings answer."""
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _base64(list(one.values)) if as_base64 else list(one.values),
        }
        for index, one in enumerate(made.embeddings)
    ]
    count = made.usage.input_tokens
    return orjson.dumps(
        {
            "object": "list",
            "data": data,
            "model": asked_for,
            "usage": {"prompt_tokens": count, "total_tokens": count},
            "loupe": own_part(made.decision, made.usage),
        }
    )


def models_body(models: list[Model]) -> bytes:
    """Return the body of the list of models."""
    data = [
        {"id": model.name, "object": "model", "created": 0, "owned_by": model.provider or "loupe"} for model in models
    ]
    return orjson.dumps({"object": "list", "data": data})


class ChunkWriter:
    """Writes one streamed answer as server-sent events."""

    def __init__(self, asked_for: str, stream_id: str, *, with_usage: bool) -> None:
        self._head: dict[str, Any] = {
            "id": stream_id,
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": asked_for,
        }
        self._with_usage = with_usage
        self._is_first = True

    def delta(self, delta: Delta) -> bytes:
        """Return the event of a piece."""
        content: dict[str, Any] = {"content": delta.text} if delta.text else {}
        if self._is_first:
            content = {"role": "assistant", "content": "", **content}
            self._is_first = False
        if delta.tool_calls:
            content["tool_calls"] = [_call(piece) for piece in delta.tool_calls]
        return self._event({"choices": [_choice(content, None)]})

    def end(self, end: End) -> bytes:
        """Return the last events.

        A broken answer ends with an error and without [DONE], so no client takes it as whole.
        """
        if end.state != EndState.END_STATE_COMPLETE:
            kind = class_name(getattr(end.failure, "class"))
            error = {
                "message": f"the answer is incomplete: {end.failure.message}",
                "type": "incomplete",
                "param": None,
                "code": kind.lower(),
            }
            return _data({"error": error, "loupe": own_part(end.decision, end.usage)})
        events = self._event(
            {"choices": [_choice({}, _WORDS.get(end.finish_reason))], "loupe": own_part(end.decision, end.usage)}
        )
        if self._with_usage:
            events += self._event({"choices": [], "usage": _usage(end.usage)})
        return events + DONE

    def _event(self, body: dict[str, Any]) -> bytes:
        return _data(self._head | body)


def _data(body: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"


def _choice(delta: dict[str, Any], reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}


def _call(piece: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"index": piece.index, "function": {"arguments": piece.arguments_json}}
    if piece.id:
        made |= {"id": piece.id, "type": "function"}
    if piece.name:
        made["function"]["name"] = piece.name
    return made


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
    }


def own_part(decision: RouteDecision, usage: Usage) -> dict[str, Any]:
    """Return what goes along under "loupe"."""
    return {"decision": decision_object(decision), "cost_usd": usage.cost_usd, "is_estimated": usage.is_estimated}


def decision_object(decision: RouteDecision) -> dict[str, Any]:
    """Return what `wire_json.to_object` does, without its 50 µs a call."""
    return {
        "provider": decision.provider,
        "model": decision.model,
        "upstream_model": decision.upstream_model,
        "revision": decision.revision,
        "policy": _POLICIES[decision.policy],
        "arm": decision.arm,
        "reasons": list(decision.reasons),
        "attempts": [_attempt(attempt) for attempt in decision.attempts],
        "is_cache_hit": decision.is_cache_hit,
        "left_out_messages": decision.left_out_messages,
        "left_out_tokens": decision.left_out_tokens,
        "first_token": _seconds(decision.first_token),
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    made: dict[str, Any] = {
        "provider": attempt.provider,
        "model": attempt.model,
        "duration": _seconds(attempt.duration),
        "is_hedge": attempt.is_hedge,
    }
    if attempt.HasField("failure"):
        made["failure"] = to_object(attempt.failure)
    return made


def _seconds(duration: Duration) -> str:
    """Return what `Duration.ToJsonString` does, without its 2 µs: "1s", "0.012s", "0.000452s"."""
    nanos = duration.nanos
    if not nanos:
        return f"{duration.seconds}s"
    if nanos % 1_000_000 == 0:
        return f"{duration.seconds}.{nanos // 1_000_000:03}s"
    return f"{duration.seconds}.{nanos // 1000:06}s" if nanos % 1000 == 0 else f"{duration.seconds}.{nanos:09}s"


def _base64(values: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
