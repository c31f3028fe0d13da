"""What asks of providers come to: an answer that can be trusted to be one, or an error that says what each did."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from loupe.router.v1.router_pb2 import CompleteRequest, FinishReason
from servers.kit.errors import (
    ContextTooLong,
    InvalidField,
    LoupeError,
    Overloaded,
    PolicyRefused,
    UpstreamUnavailable,
)
from servers.router import failures
from servers.router.dispatch import Ask
from servers.router.failures import ProviderFailure

_BUSY = frozenset((failures.RATE, failures.CLOSED))


def broken_format(request: CompleteRequest, text: str, reason: FinishReason.ValueType) -> ProviderFailure | None:
    """Return what is wrong with an answer that was to be JSON; None where nothing is, or nothing was asked.

    A schema that a provider was given does not make its answer JSON. An answer cut by a limit says so by itself.
    """
    if request.switches.HasField("check_format") and not request.switches.check_format:
        return None
    if request.response_format.WhichOneof("kind") is None or reason != FinishReason.FINISH_REASON_STOP:
        return None
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return ProviderFailure(failures.MALFORMED, "the answer is no JSON, which the response format asks for")
    return None


def error_of(asks: Sequence[Ask], field: str = "messages") -> LoupeError:
    """Return the error of a call that nobody answered; `field` is what a provider did not take."""
    failed = [(ask.target.model.name, ask.failure) for ask in asks if ask.failure is not None]
    told = "; ".join(f"{name}: {failure.message}" for name, failure in failed)
    kinds = {failure.kind for _, failure in failed}
    if failures.POLICY in kinds:
        return PolicyRefused(f"the model's provider refused: {told}")
    if failures.INVALID in kinds:
        return InvalidField(field, f"the provider does not take the request: {told}")
    waits = [failure.retry_after_s for _, failure in failed if failure.retry_after_s is not None]
    after_s = max(min(waits, default=1.0), 0.1)
    if kinds == {failures.CONTEXT}:
        return ContextTooLong(f"the prompt is too long for every model: {told}")
    if kinds and kinds <= _BUSY and any(failure.kind == failures.RATE for _, failure in failed):
        return Overloaded(f"every model is busy: {told}", retry_after_s=after_s)
    if kinds == {failures.CLOSED} and any("queue" in failure.message for _, failure in failed):
        return Overloaded(f"every model is busy: {told}", retry_after_s=after_s)
    return UpstreamUnavailable(f"no model answered: {told}", retry_after_s=after_s)
