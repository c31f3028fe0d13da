"""Errors as OpenAI's clients expect them: an HTTP status and {"error": {...}}."""

from __future__ import annotations

import math

import orjson

from loupe.type.v1.error_reason_pb2 import ErrorReason
from servers.kit.errors import LoupeError

# As google/rpc/code.proto pairs them, so that both surfaces answer the same.
STATUS_OF_CODE = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_TYPE_OF_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}
# Words that clients of OpenAI act upon; every other reason is told by our own name.
_CODE_OF_REASON = {
    ErrorReason.ERROR_REASON_CONTEXT_TOO_LONG: "context_length_exceeded",
    ErrorReason.ERROR_REASON_POLICY_REFUSED: "content_policy_violation",
    ErrorReason.ERROR_REASON_BUDGET_EXHAUSTED: "insufficient_quota",
    ErrorReason.ERROR_REASON_UNAUTHENTICATED: "invalid_api_key",
}


def error_response(error: LoupeError, request_id: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of an error."""
    status = STATUS_OF_CODE[error.code]
    headers = {"x-request-id": request_id} if request_id else {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(math.ceil(error.retry_after_s))
        headers["retry-after-ms"] = str(math.ceil(error.retry_after_s * 1000))
    body = {
        "message": error.message,
        "type": _TYPE_OF_STATUS.get(status, "server_error"),
        "param": error.violations[0][0] if error.violations else None,
        "code": _CODE_OF_REASON.get(error.reason)
        or ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_").lower(),
    }
    return status, headers, orjson.dumps({"error": body})
