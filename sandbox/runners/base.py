"""The seam between the service and a way of confining a program."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Limits, OutputChunk, PythonError
from loupe.sandbox.v1.shown_value_pb2 import ShownValue
from sandbox.runners.report import Drawn


class SandboxBroken(Exception):
    """The runner itself failed, not the program; the message is for the log."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file to lay into the working directory."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Program:
    """What one sandbox runs."""

    source: bytes
    seed: int
    limits: Limits
    """Every field set."""
    inputs: tuple[InputFile, ...] = ()
    inputs_fd: int = -1
    """An open file with the bytes of all inputs, one after the other; -1 without inputs."""


@dataclass(slots=True)
class Ending:
    """How a program ended. Only the first block is beyond the program's reach."""

    exit_code: int = 0
    signal: int = 0
    is_stopped: bool = False
    """A limit ended it, `exceeded`."""
    exceeded: LimitKind.ValueType = LimitKind.LIMIT_KIND_UNSPECIFIED
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_memory_kib: int = 0

    error: PythonError | None = None
    captured: tuple[str, ...] = ()
    """Files of captured figures."""
    figures: tuple[Drawn, ...] = ()
    value: ShownValue | None = None
    notes: list[str] = field(default_factory=list)


class Run(Protocol):
    """One program in one sandbox, which is never used again."""

    @property
    def work_fd(self) -> int:
        """The working directory, readable after everything inside is dead and until the run is left."""

    def output(self) -> AsyncIterator[OutputChunk]:
        """Yield what the program writes, as it comes; ends when everything inside is dead."""

    async def ending(self) -> Ending:
        """Return how it ended, once everything inside is dead."""


class Session(Protocol):
    """One sandbox that keeps its variables and files over several programs, one at a time."""

    @property
    def is_alive(self) -> bool:
        """Whether another program can run in it."""

    def start(self, program: Program) -> AbstractAsyncContextManager[Run]:
        """Start a program; leaving the context before it has ended ends the session.

        Other than in a sandbox of its own, what the program started lives on when it has ended: `Run.output` and
        `Run.ending` don't wait for it. Of the limits, those of the sandbox are the session's.
        Raises:
          SandboxBroken: the session has ended.
        """

    def kill(self) -> None:
        """Kill everything inside, also a program that runs."""

    async def close(self) -> None:
        """Kill whatever is left of it and remove every trace."""


class PoolCounts(Protocol):
    """How well the sandboxes that are made ahead of time suffice."""

    size: int
    made_count: int
    waited_count: int

    @property
    def ready_count(self) -> int:
        """How many are ready now."""


@runtime_checkable
class SessionRunner(Protocol):
    """A runner that can keep a sandbox for several programs."""

    async def open_session(self, limits: Limits) -> Session:
        """Return a session, which is the caller's to close.

        Raises:
          SandboxBroken: it could not be made.
        """


class Runner(Protocol):
    """Confines programs. Implementations promise every limit they name in `enforced_by`, and no network."""

    name: str
    version: str
    enforced_by: Mapping[LimitKind.ValueType, str]
    """By which means each limit holds on this machine; a limit that nothing holds is absent."""

    @property
    def pool(self) -> PoolCounts:
        """The sandboxes that are made ahead of time."""

    def warm_up(self) -> None:
        """Begin to make sandboxes ahead of time."""

    async def close(self) -> None:
        """End and remove what was made ahead of time."""

    def start(self, program: Program) -> AbstractAsyncContextManager[Run]:
        """Start a program; leaving the context kills whatever is left of it and removes every trace.

        Raises:
          SandboxBroken: it could not be started.
        """


def memory_file(content: bytes) -> int:
    """Return a fresh descriptor at the start of `content`: one shared by two runs would be at its end in the second."""
    fd = os.memfd_create("loupe-sandbox")
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
