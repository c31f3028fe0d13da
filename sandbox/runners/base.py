"""The seam between the service and a way of confining a program."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Limits, OutputChunk, PythonError


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
    figures: tuple[str, ...] = ()
    """Names of captured figures."""
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


class Runner(Protocol):
    """Confines programs. Implementations promise every limit they name in `enforced_by`, and no network."""

    name: str
    version: str
    enforced_by: Mapping[LimitKind.ValueType, str]
    """By which means each limit holds on this machine; a limit that nothing holds is absent."""

    def warm_up(self) -> None:
        """Begin to make sandboxes ahead of time."""

    async def close(self) -> None:
        """End and remove what was made ahead of time."""

    def start(self, program: Program) -> AbstractAsyncContextManager[Run]:
        """Start a program; leaving the context kills whatever is left of it and removes every trace.

        Raises:
          SandboxBroken: it could not be started.
        """
