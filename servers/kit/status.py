"""Errors as google.rpc.Status, and back: what an interceptor sends is what a client of ours raises."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from loupe.type.v1.cost_pb2 import Cost
from loupe.type.v1.error_reason_pb2 import ErrorReason
from servers.kit.errors import (
    DeadlineExceeded,
    InternalError,
    InvalidField,
    LoupeError,
    Overloaded,
    TooLarge,
    UpstreamUnavailable,
    class_of,
)

DOMAIN = "loupe"
_PREFIX = "ERROR_REASON_"


def to_status(error: LoupeError, *, request_id: str) -> Any:
    """Return the grpc.Status of an error, with ErrorInfo, and BadRequest, RetryInfo or Cost where they apply."""
    known = {"request_id": request_id, "server": error.server}
    details: list[Any] = [
        error_details_pb2.ErrorInfo(
            reason=ErrorReason.Name(error.reason).removeprefix(_PREFIX),
            domain=DOMAIN,
            metadata={name: value for name, value in known.items() if value},
        )
    ]
    if error.violations:
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(field=field, description=text)
                    for field, text in error.violations
                ]
            )
        )
    if error.retry_after_s is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(error.retry_after_s * 1000))
        details.append(retry)
    if error.cost is not None and error.cost.ask_count:
        details.append(error.cost)
    status = status_pb2.Status(code=code_pb2.Code.Value(error.code), message=error.message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return rpc_status.to_status(status)


def from_exception(error: Exception, *, request_id: str = "") -> LoupeError:
    """Return the error that a caller may see for any exception: a stranger's text stays in the log."""
    if isinstance(error, LoupeError):
        return error
    if isinstance(error, grpc.aio.AioRpcError):
        return from_rpc_error(error)
    return InternalError(f"internal error (request {request_id or 'without id'})")


def from_rpc_error(error: grpc.aio.AioRpcError, server: str = "") -> LoupeError:
    """Return what another server answered as the error it raised there.

    Args:
      server: which one was asked, where that is known. It is the one that failed, unless it says that another did.
    """
    rebuilt, failed = _rebuilt(error, server)
    rebuilt.server = failed or server
    return rebuilt


def _rebuilt(error: grpc.aio.AioRpcError, asked: str) -> tuple[LoupeError, str]:
    """Return the error, and which server failed by its own account."""
    status = rpc_status.from_call(error)
    message = error.details() or error.code().name
    if status is not None:
        info, bad_request, retry, cost = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.BadRequest(),
            error_details_pb2.RetryInfo(),
            Cost(),
        )
        for detail in status.details:
            for target in (info, bad_request, retry, cost):
                detail.Unpack(target)
        known_reasons = set(ErrorReason.keys())
        if info.domain == DOMAIN and _PREFIX + info.reason in known_reasons:
            violations = [(violation.field, violation.description) for violation in bad_request.field_violations]
            known = class_of(ErrorReason.Value(_PREFIX + info.reason))
            failed = info.metadata.get("server", "")
            if known is InvalidField:
                first, *more = violations or [("request", message)]
                rebuilt: LoupeError = InvalidField(*first, *more)
            else:
                rebuilt = known(message)
                after_s = retry.retry_delay.ToMilliseconds() / 1000 if retry.HasField("retry_delay") else None
                rebuilt.retry_after_s = after_s
            rebuilt.cost = cost if cost.ask_count else None
            return rebuilt, failed
    who = f"the {asked} server" if asked else "a server behind this one"
    match error.code():
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceeded(f"{who} did not answer in time"), ""
        case grpc.StatusCode.RESOURCE_EXHAUSTED if "larger than max" in message:
            # gRPC's own words, on either side: "Sent message larger than max (5242880 vs. 4194304)".
            return TooLarge(f"there is too much data for one message: {message}"), ""
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return Overloaded(message), ""
        case grpc.StatusCode.UNAVAILABLE:
            return UpstreamUnavailable(f"{who} does not answer"), ""
    return InternalError(f"{who} failed"), ""
