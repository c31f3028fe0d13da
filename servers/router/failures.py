"""How a provider can fail, told apart by what it answered and by what may be done about it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from loupe.router.v1.router_pb2 import Failure, FailureClass, Usage

RATE = FailureClass.FAILURE_CLASS_RATE
CONTEXT = FailureClass.FAILURE_CLASS_CONTEXT
POLICY = FailureClass.FAILURE_CLASS_POLICY
AUTH = FailureClass.FAILURE_CLASS_AUTH
TIMEOUT = FailureClass.FAILURE_CLASS_TIMEOUT
MALFORMED = FailureClass.FAILURE_CLASS_MALFORMED
STALL = FailureClass.FAILURE_CLASS_STALL
UNREACHABLE = FailureClass.FAILURE_CLASS_UNREACHABLE
SERVER = FailureClass.FAILURE_CLASS_SERVER
INVALID = FailureClass.FAILURE_CLASS_INVALID
CLOSED = FailureClass.FAILURE_CLASS_CLOSED

FINAL = frozenset((POLICY, INVALID))
"""Another provider would say the same, or must not be asked to say otherwise."""

REPEATABLE = frozenset((RATE, MALFORMED, UNREACHABLE, SERVER))
"""The same provider may answer when it is asked again. After a timeout it would only be given the same work twice."""

SICK = frozenset((AUTH, TIMEOUT, MALFORMED, STALL, UNREACHABLE, SERVER))
"""Speaks against the provider and moves its breaker; the others speak against the request."""

MAX_RETRY_AFTER_S = 3600.0

# Words of vLLM, llama.cpp, Ollama, OpenAI and Anthropic (their sources and API references, November 2026).
_CONTEXT_WORDS = re.compile(
    r"context_length|context length|context window|context size|maximum context|prompt is too long|too many tokens"
    r"|input is too long|exceeds? the (available|max)|input length|maximum model length",
    re.IGNORECASE,
)
_POLICY_WORDS = re.compile(
    r"content_filter|content_policy|content policy|policy_violation|safety system", re.IGNORECASE
)
_CLASS_OF_STATUS: dict[int, FailureClass.ValueType] = {
    401: AUTH,
    403: AUTH,
    404: UNREACHABLE,
    408: TIMEOUT,
    409: RATE,
    425: RATE,
    429: RATE,
    504: TIMEOUT,
    529: RATE,  # Anthropic's "overloaded"
}
# Types of errors that come inside a stream, where no HTTP status tells (OpenAI, Anthropic, vLLM).
_CLASS_OF_TYPE: dict[str, FailureClass.ValueType] = {
    "rate_limit_error": RATE,
    "rate_limit_exceeded": RATE,
    "overloaded_error": RATE,
    "insufficient_quota": RATE,
    "authentication_error": AUTH,
    "invalid_api_key": AUTH,
    "permission_error": AUTH,
    "timeout_error": TIMEOUT,
    "invalid_request_error": INVALID,
    "badrequesterror": INVALID,
    "not_found_error": UNREACHABLE,
}


class ProviderFailure(Exception):
    """An ask of a provider that gave no answer, or none to the end."""

    def __init__(
        self,
        kind: FailureClass.ValueType,
        message: str,
        *,
        retry_after_s: float | None = None,
        usage: Usage | None = None,
        told: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        """For people; holds nothing of the prompt and nothing that the provider wrote freely."""
        self.retry_after_s = retry_after_s
        self.usage = usage
        """What the ask used all the same, where the provider said."""
        self.told = told
        """What the provider wrote: to look for causes in, for nobody to read."""

    def to_message(self) -> Failure:
        """Return it as the contract says it."""
        return Failure(**{"class": self.kind}, message=self.message)  # `class` is no name in Python


def of_response(status: int, headers: Mapping[str, str], body: bytes) -> ProviderFailure:
    """Return the failure that a response without an answer stands for."""
    after_s = retry_after_s(headers)
    if 300 <= status < 400:
        return ProviderFailure(MALFORMED, f"HTTP {status}: a redirect, which is never followed")
    kind = _CLASS_OF_STATUS.get(status)
    if kind is None:
        kind = SERVER if status >= 500 else _class_of_refusal(body)
    return ProviderFailure(kind, f"HTTP {status}", retry_after_s=after_s, told=body)


def of_error_object(error: Any) -> ProviderFailure:
    """Return the failure that an error inside a 200 answer stands for: {"type": ..., "code": ..., "message": ...}."""
    if not isinstance(error, dict):
        return ProviderFailure(SERVER, "an error within the answer")
    code = error.get("code")
    status = int(code) if isinstance(code, int) or (isinstance(code, str) and code.isdigit()) else 0
    if 400 <= status < 600:
        found = of_response(status, {}, orjson.dumps(error))
        return ProviderFailure(found.kind, f"an error within the answer, code {status}")
    kind = _class_of_words(orjson.dumps(error))
    for key in (error.get("type"), code):
        if kind is None and isinstance(key, str):
            kind = _CLASS_OF_TYPE.get(key.lower())
    return ProviderFailure(SERVER if kind is None else kind, "an error within the answer")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return what a Retry-After header asks for, in seconds, at most an hour; None where there is none."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except ValueError:
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if seconds == seconds else None  # NaN is no time


def _class_of_refusal(body: bytes) -> FailureClass.ValueType:
    kind = _class_of_words(body)
    return INVALID if kind is None else kind


def _class_of_words(body: bytes) -> FailureClass.ValueType | None:
    text = body[:4096].decode(errors="replace")
    if _POLICY_WORDS.search(text):
        return POLICY
    if _CONTEXT_WORDS.search(text):
        return CONTEXT
    return None
