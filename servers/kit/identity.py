"""Who is calling: known from the call's key or service token, and readable anywhere inside the call."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from loupe.type.v1.access_pb2 import Role

LOCAL_SUBJECT = "local"
"""The one user of an installation without accounts."""


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf the running call is made."""

    subject: str
    """Owner of what the call makes and sees."""

    role: Role.ValueType

    service: str = ""
    """The server of the mesh that calls; empty when the owner calls directly."""


_caller: ContextVar[Caller] = ContextVar("caller")
_request_id: ContextVar[str] = ContextVar("request_id", default="")
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def caller() -> Caller:
    """Return who makes the running call. Outside a call, and in one that needs no key, there is nobody: LookupError."""
    return _caller.get()


def request_id() -> str:
    """Return the id under which the running call is logged everywhere; empty outside a call."""
    return _request_id.get()


def deadline() -> float | None:
    """Return when the running call must end, on the event loop's clock; None where nothing bounds it."""
    return _deadline.get()


def act_for(caller: Caller, *, request_id: str = "", deadline: float | None = None) -> None:
    """Make this task, and what it starts from here on, act for a caller: for work that outlives its call."""
    _caller.set(caller)
    _request_id.set(request_id)
    _deadline.set(deadline)


def set_request_id(value: str) -> None:
    """Name the running call."""
    _request_id.set(value)


def set_deadline(value: float | None) -> None:
    """Bound the running call, and every call it makes, by a time on the event loop's clock."""
    _deadline.set(value)
