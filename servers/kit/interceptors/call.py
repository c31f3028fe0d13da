"""What the aspects know of a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Call:
    """One call, before its first message is read."""

    method: str
    """ "/loupe.files.v1.FilesService/GetFile" """

    metadata: Mapping[str, str]
    """Text entries only."""

    is_streaming: bool
    """In either direction."""

    time_remaining_s: float | None
    """Until the caller's deadline; None where it set none."""


Aspect: TypeAlias = Callable[[Call], AbstractAsyncContextManager[None]]
"""Runs around a call; an error it raises is the call's answer."""
