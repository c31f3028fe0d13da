"""Envoy's own answers in the shape of the servers' errors: google.rpc.Status, as JSON for REST callers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from google.rpc import code_pb2

from loupe.type.v1.error_reason_pb2 import ErrorReason

READINESS_PATH = "/readyz"
_AS_ENVOY_SAYS = "%LOCAL_REPLY_BODY%"
_ENVOYS_WORD_FOR_THE_CAUSE = "%RESPONSE_CODE_DETAILS%"


@dataclass(frozen=True, slots=True)
class _Reply:
    """What a caller is told when Envoy answers with an HTTP status of its own."""

    status: int
    code: int
    reason: str
    message: str = _AS_ENVOY_SAYS
    comparison: Literal["EQ", "GE"] = "EQ"
    """GE: for all higher statuses too."""
    path: str = ""
    """Only for this path."""
    cause: str = ""
    """Only for this cause, in Envoy's word."""
    answer_status: int | None = None
    """The HTTP status to answer with in its place."""
    is_retryable: bool = False


def _reason(reason: ErrorReason.ValueType) -> str:
    return ErrorReason.Name(reason).removeprefix("ERROR_REASON_")


_INVALID = _reason(ErrorReason.ERROR_REASON_INVALID_FIELD)
_NOT_FOUND = _reason(ErrorReason.ERROR_REASON_NOT_FOUND)
_NOT_READY = _reason(ErrorReason.ERROR_REASON_NOT_READY)
_TOO_LARGE = _reason(ErrorReason.ERROR_REASON_TOO_LARGE)
_LATE = _reason(ErrorReason.ERROR_REASON_DEADLINE_EXCEEDED)
_OVERLOADED = _reason(ErrorReason.ERROR_REASON_OVERLOADED)
_UNAVAILABLE = _reason(ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE)
_INTERNAL = _reason(ErrorReason.ERROR_REASON_INTERNAL)

# The first that fits is taken. Codes go with statuses as google/rpc/code.proto pairs them, where it does.
_REPLIES = (
    _Reply(400, code_pb2.INVALID_ARGUMENT, _INVALID),
    _Reply(404, code_pb2.NOT_FOUND, _NOT_FOUND),
    _Reply(405, code_pb2.UNIMPLEMENTED, _INVALID),
    _Reply(408, code_pb2.DEADLINE_EXCEEDED, _LATE, "the request did not arrive in time"),
    _Reply(413, code_pb2.RESOURCE_EXHAUSTED, _TOO_LARGE, "the request's body is larger than the gateway allows"),
    _Reply(431, code_pb2.RESOURCE_EXHAUSTED, _TOO_LARGE, "the request's headers are larger than the gateway allows"),
    _Reply(
        *(503, code_pb2.RESOURCE_EXHAUSTED, _OVERLOADED, "the gateway is short of memory"),
        cause="overload",
        answer_status=429,
        is_retryable=True,
    ),
    _Reply(
        *(503, code_pb2.UNAVAILABLE, _NOT_READY, "not every server is ready; `loupe status` names them"),
        path=READINESS_PATH,
        is_retryable=True,
    ),
    _Reply(
        *(
            503,
            code_pb2.UNAVAILABLE,
            _UNAVAILABLE,
            "the server for this call is not available; `loupe status` says why",
        ),
        is_retryable=True,
    ),
    _Reply(504, code_pb2.DEADLINE_EXCEEDED, _LATE, "the server did not answer in time"),
    _Reply(500, code_pb2.INTERNAL, _INTERNAL, comparison="GE"),
    _Reply(400, code_pb2.INVALID_ARGUMENT, _INVALID, _ENVOYS_WORD_FOR_THE_CAUSE, comparison="GE"),
)


def local_replies() -> dict[str, Any]:
    """Return the part of the connection manager's configuration that words Envoy's own answers."""
    return {"mappers": [mapper for reply in _REPLIES for mapper in (_for_grpc(reply), _for_rest(reply))]}


def _for_grpc(reply: _Reply) -> dict[str, Any]:
    """Leave the message as plain text: it becomes grpc-message. Envoy finds the code itself."""
    return {
        "filter": _all_of(*_conditions(reply), *_CALLER_SPEAKS_GRPC),
        "body_format_override": {"text_format_source": {"inline_string": reply.message}},
    }


def _for_rest(reply: _Reply) -> dict[str, Any]:
    mapper: dict[str, Any] = {
        "filter": _all_of(*_conditions(reply)),
        "body_format_override": {"json_format": _status(reply)},
    }
    if reply.answer_status is not None:
        mapper["status_code"] = reply.answer_status
    return mapper


def _conditions(reply: _Reply) -> Iterator[dict[str, Any]]:
    # Envoy wants a name under which the number could be changed while it runs; nothing here does.
    value = {"default_value": reply.status, "runtime_key": "loupe.unused"}
    yield {"status_code_filter": {"comparison": {"op": reply.comparison, "value": value}}}
    if reply.path:
        yield _header(":path", {"string_match": {"exact": reply.path}})
    if reply.cause:
        yield {
            "extension_filter": {
                "name": "envoy.access_loggers.extension_filters.cel",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
                    "expression": f'response.code_details == "{reply.cause}"',
                },
            }
        }


def _header(name: str, match: dict[str, Any]) -> dict[str, Any]:
    return {"header_filter": {"header": {"name": name, **match}}}


# A transcoded request has a gRPC content type by now too, but carries the path it came with.
_CALLER_SPEAKS_GRPC = (
    _header("content-type", {"string_match": {"prefix": "application/grpc"}}),
    _header("x-envoy-original-path", {"present_match": True, "invert_match": True}),
)


def _all_of(*filters: dict[str, Any]) -> dict[str, Any]:
    return {"and_filter": {"filters": list(filters)}} if len(filters) > 1 else filters[0]


def _status(reply: _Reply) -> dict[str, Any]:
    error_info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reply.reason,
        "domain": "loupe",
        "metadata": {},
    }
    retry_info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retry_delay": "1s"}
    details = [error_info, retry_info] if reply.is_retryable else [error_info]
    return {"code": reply.code, "message": reply.message, "details": details}
