"""The errors a caller can meet.

LoupeError
├── InvalidField            INVALID_ARGUMENT     INVALID_FIELD (names the field)
├── UnsupportedMediaType    INVALID_ARGUMENT     UNSUPPORTED_MEDIA_TYPE
├── DamagedMedia            INVALID_ARGUMENT     DAMAGED_MEDIA
├── TooManyPixels           INVALID_ARGUMENT     TOO_MANY_PIXELS
├── TooLong                 INVALID_ARGUMENT     TOO_LONG
├── EmptyFile               INVALID_ARGUMENT     EMPTY_FILE
├── DigestMismatch          INVALID_ARGUMENT     DIGEST_MISMATCH
├── BrokenStream            INVALID_ARGUMENT     BROKEN_STREAM
├── LimitTooHigh            INVALID_ARGUMENT     LIMIT_TOO_HIGH
├── ContextTooLong          INVALID_ARGUMENT     CONTEXT_TOO_LONG
├── TooLarge                RESOURCE_EXHAUSTED   TOO_LARGE
├── BudgetExhausted         RESOURCE_EXHAUSTED   BUDGET_EXHAUSTED
├── Overloaded              RESOURCE_EXHAUSTED   OVERLOADED (with RetryInfo)
├── NotFound                NOT_FOUND            NOT_FOUND
├── RequestIdReused         ALREADY_EXISTS       REQUEST_ID_REUSED
├── WrongState              FAILED_PRECONDITION  WRONG_STATE
├── NoCapableModel          FAILED_PRECONDITION  NO_CAPABLE_MODEL
├── PolicyRefused           FAILED_PRECONDITION  POLICY_REFUSED
├── Unauthenticated         UNAUTHENTICATED      UNAUTHENTICATED
├── RoleTooLow              PERMISSION_DENIED    ROLE_TOO_LOW
├── CodeNotAuthorized       PERMISSION_DENIED    CODE_NOT_AUTHORIZED
├── TokenReplayed           PERMISSION_DENIED    TOKEN_REPLAYED
├── DeadlineExceeded        DEADLINE_EXCEEDED    DEADLINE_EXCEEDED
├── UpstreamUnavailable     UNAVAILABLE          UPSTREAM_UNAVAILABLE (with RetryInfo)
├── StorageUnavailable      UNAVAILABLE          STORAGE_UNAVAILABLE (with RetryInfo)
├── NotReady                UNAVAILABLE          NOT_READY
├── MalformedAnswer         INTERNAL             MALFORMED_ANSWER
└── InternalError           INTERNAL             INTERNAL (what another server answered when it broke)

Domain code raises them; one interceptor turns them into a google.rpc.Status. The message is for the caller: it names
the thing, the value and the limit, and holds nothing secret.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from loupe.type.v1.cost_pb2 import Cost
from loupe.type.v1.error_reason_pb2 import ErrorReason

StatusCode = Literal[
    "INVALID_ARGUMENT",
    "RESOURCE_EXHAUSTED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "FAILED_PRECONDITION",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "DEADLINE_EXCEEDED",
    "UNAVAILABLE",
    "INTERNAL",
]


class LoupeError(Exception):
    """An error with a code and a reason, meant for the caller."""

    code: ClassVar[StatusCode] = "INTERNAL"
    reason: ClassVar[ErrorReason.ValueType] = ErrorReason.ERROR_REASON_INTERNAL

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s
        """When coming again may help; None where it won't."""
        self.server = ""
        """Which server of the mesh failed, where another did: the last one on the way that could not be asked."""
        self.cost: Cost | None = None
        """What the server that answered with it had spent on models; None where it said nothing of that."""

    @property
    def violations(self) -> tuple[tuple[str, str], ...]:
        """Pairs of field path and what is wrong with it."""
        return ()


class InvalidField(LoupeError):
    """A field breaks its constraint."""

    code = "INVALID_ARGUMENT"
    reason = ErrorReason.ERROR_REASON_INVALID_FIELD

    def __init__(self, field: str, message: str, *more: tuple[str, str]) -> None:
        self._violations = ((field, message), *more)
        super().__init__("; ".join(f"{name}: {text}" for name, text in self._violations))

    @property
    def violations(self) -> tuple[tuple[str, str], ...]:
        """Pairs of field path and what is wrong with it."""
        return self._violations


class UnsupportedMediaType(LoupeError):
    """The bytes are none of the media types this call takes."""

    code = "INVALID_ARGUMENT"
    reason = ErrorReason.ERROR_REASON_UNSUPPORTED_MEDIA_TYPE


class DamagedMedia(LoupeError):
    """The bytes begin as a known type and are damaged or cut short."""

    code = "INVALID_ARGUMENT"
    reason = ErrorReason.ERROR_REASON_DAMAGED_MEDIA


class TooManyPixels(LoupeError):
    """The header announces more pixels than the limit."""

    code = "INVALID_ARGUMENT"
    reason = ErrorReason.ERROR_REASON_TOO_MANY_PIXELS


class TooLong(LoupeError):
    """The recording has more seconds than the limit."""

    code = "INVALID_ARGUMENT"
    reason = ErrorReason.ERROR_REASON_TOO_LONG


class EmptyFile(LoupeError):
    """There are no bytes."""

    code = "INVALID_ARGUMENT"
    reason = ErrorReason.ERROR_REASON_EMPTY_FILE


class DigestMismatch(LoupeError):
    """The content does not have the digest the caller gave."""

    code = "INVALID_ARGUMENT"
    reason = ErrorReason.ERROR_REASON_DIGEST_MISMATCH


class BrokenStream(LoupeError):
    """A stream's messages came in the wrong order, or not all of them."""

    code = "INVALID_ARGUMENT"
    reason = ErrorReason.ERROR_REASON_BROKEN_STREAM


class LimitTooHigh(LoupeError):
    """A requested limit is over the operator's maximum."""

    code = "INVALID_ARGUMENT"
    reason = ErrorReason.ERROR_REASON_LIMIT_TOO_HIGH


class ContextTooLong(LoupeError):
    """The prompt is longer than the context of every model that may answer."""

    code = "INVALID_ARGUMENT"
    reason = ErrorReason.ERROR_REASON_CONTEXT_TOO_LONG


class TooLarge(LoupeError):
    """There are more bytes than the limit."""

    code = "RESOURCE_EXHAUSTED"
    reason = ErrorReason.ERROR_REASON_TOO_LARGE


class BudgetExhausted(LoupeError):
    """A budget of the installation is spent."""

    code = "RESOURCE_EXHAUSTED"
    reason = ErrorReason.ERROR_REASON_BUDGET_EXHAUSTED


class Overloaded(LoupeError):
    """Every place is taken."""

    code = "RESOURCE_EXHAUSTED"
    reason = ErrorReason.ERROR_REASON_OVERLOADED

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message, retry_after_s=retry_after_s)


class NotFound(LoupeError):
    """No such thing, or it is someone else's: the two are not told apart."""

    code = "NOT_FOUND"
    reason = ErrorReason.ERROR_REASON_NOT_FOUND


class RequestIdReused(LoupeError):
    """The same request_id came before with another content."""

    code = "ALREADY_EXISTS"
    reason = ErrorReason.ERROR_REASON_REQUEST_ID_REUSED


class WrongState(LoupeError):
    """The thing's state does not allow this."""

    code = "FAILED_PRECONDITION"
    reason = ErrorReason.ERROR_REASON_WRONG_STATE


class NoCapableModel(LoupeError):
    """No configured model can do what the request needs."""

    code = "FAILED_PRECONDITION"
    reason = ErrorReason.ERROR_REASON_NO_CAPABLE_MODEL


class PolicyRefused(LoupeError):
    """The model's provider refused by its content policy."""

    code = "FAILED_PRECONDITION"
    reason = ErrorReason.ERROR_REASON_POLICY_REFUSED


class Unauthenticated(LoupeError):
    """No key, or one that is not valid."""

    code = "UNAUTHENTICATED"
    reason = ErrorReason.ERROR_REASON_UNAUTHENTICATED


class RoleTooLow(LoupeError):
    """The key is valid and its role does not reach."""

    code = "PERMISSION_DENIED"
    reason = ErrorReason.ERROR_REASON_ROLE_TOO_LOW


class CodeNotAuthorized(LoupeError):
    """The code's token is missing, forged, expired or for other code."""

    code = "PERMISSION_DENIED"
    reason = ErrorReason.ERROR_REASON_CODE_NOT_AUTHORIZED


class TokenReplayed(LoupeError):
    """The code's token was used before."""

    code = "PERMISSION_DENIED"
    reason = ErrorReason.ERROR_REASON_TOKEN_REPLAYED


class DeadlineExceeded(LoupeError):
    """The call's time ran out here."""

    code = "DEADLINE_EXCEEDED"
    reason = ErrorReason.ERROR_REASON_DEADLINE_EXCEEDED


class UpstreamUnavailable(LoupeError):
    """A server behind this one did not answer."""

    code = "UNAVAILABLE"
    reason = ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message, retry_after_s=retry_after_s)


class StorageUnavailable(LoupeError):
    """The disk or the database refused."""

    code = "UNAVAILABLE"
    reason = ErrorReason.ERROR_REASON_STORAGE_UNAVAILABLE

    def __init__(self, message: str, *, retry_after_s: float = 5.0) -> None:
        super().__init__(message, retry_after_s=retry_after_s)


class NotReady(LoupeError):
    """This server lacks something it needs; the message says what and how to get it."""

    code = "UNAVAILABLE"
    reason = ErrorReason.ERROR_REASON_NOT_READY


class MalformedAnswer(LoupeError):
    """A model's answer could not be used, nor its second one after it was told why.

    INTERNAL and not UNAVAILABLE: channels repeat what is UNAVAILABLE by themselves, and each repetition is paid for.
    """

    code = "INTERNAL"
    reason = ErrorReason.ERROR_REASON_MALFORMED_ANSWER


class InternalError(LoupeError):
    """Another server broke; its own log holds why."""


def class_of(reason: ErrorReason.ValueType) -> type[LoupeError]:
    """Return the class that stands for a reason, InternalError for one that has none."""
    for cls in LoupeError.__subclasses__():
        if cls.reason == reason:
            return cls
    return InternalError
