"""From what the kernel, process 1 and the program say to how a run ended."""

import os
import signal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Limits, PythonError
from sandbox.cgroups import Usage
from sandbox.runners.base import Ending


class _Exit(BaseModel):
    status: int
    peak_memory_kib: int


class _ExitMessage(BaseModel):
    exit: _Exit


class _Error(BaseModel):
    type: str = Field(max_length=1000)
    message: str = Field(max_length=2000)
    line: int = Field(ge=0, lt=2**31)
    refused: Literal["", "memory", "disk", "processes", "network"]


class _Report(BaseModel):
    """What the program's own process says: a claim, checked for form and believed in nothing that matters."""

    model_config = ConfigDict(strict=True)
    error: _Error | None
    figures: list[str] = Field(max_length=100)
    notes: list[str] = Field(max_length=10)


_REFUSED = {
    "": LimitKind.LIMIT_KIND_UNSPECIFIED,
    "memory": LimitKind.LIMIT_KIND_MEMORY,
    "disk": LimitKind.LIMIT_KIND_DISK,
    "processes": LimitKind.LIMIT_KIND_PROCESSES,
    "network": LimitKind.LIMIT_KIND_NETWORK,
}


def ending_of(
    *,
    stopped_by: LimitKind.ValueType | None,
    exit_message: bytes,
    report: bytes,
    usage: Usage | None,
    disk: os.statvfs_result,
    limits: Limits,
    wall_s: float,
    cpu_s: float,
) -> Ending:
    """Return how a run ended.

    Args:
      stopped_by: the limit at which the service killed it.
      exit_message: of process 1; empty if it was killed.
      report: of the program's process; untrusted.
      disk: the file system of /work, after everything is dead.
      cpu_s: as the processes' parent counts it; a cgroup, where there is one, counts it better.
    """
    usage = usage or Usage()
    ending = Ending(
        wall_s=wall_s, cpu_s=cpu_s if usage.cpu_s is None else usage.cpu_s, peak_memory_kib=usage.peak_memory_kib or 0
    )
    if exit_message:
        said = _ExitMessage.model_validate_json(exit_message).exit
        # The group's peak also holds files the kernel cached on its behalf: the processes' own is what a person means.
        ending.peak_memory_kib = said.peak_memory_kib
        ending.signal = os.WTERMSIG(said.status) if os.WIFSIGNALED(said.status) else 0
        ending.exit_code = os.waitstatus_to_exitcode(said.status) if not ending.signal else 128 + ending.signal
    else:
        ending.signal, ending.exit_code = signal.SIGKILL, 128 + signal.SIGKILL
    _take_report(ending, report)
    _name_limit(ending, stopped_by, usage, disk, refused=_claimed(report))
    if ending.is_stopped and ending.exceeded == LimitKind.LIMIT_KIND_MEMORY and usage.oom_kill_count:
        ending.peak_memory_kib = limits.memory_mib * 1024
    return ending


def _name_limit(
    ending: Ending,
    stopped_by: LimitKind.ValueType | None,
    usage: Usage,
    disk: os.statvfs_result,
    refused: LimitKind.ValueType,
) -> None:
    """Set which limit was met, and whether it ended the run."""
    has_failed = ending.exit_code != 0
    if stopped_by is not None:
        ending.exceeded, ending.is_stopped = stopped_by, True
    elif usage.oom_kill_count:
        ending.exceeded = LimitKind.LIMIT_KIND_MEMORY
        ending.is_stopped = ending.signal == signal.SIGKILL or refused == LimitKind.LIMIT_KIND_MEMORY
    elif refused and has_failed:
        ending.exceeded, ending.is_stopped = refused, True
    elif usage.refused_fork_count:
        ending.exceeded, ending.is_stopped = LimitKind.LIMIT_KIND_PROCESSES, False
    elif has_failed and (disk.f_bavail == 0 or disk.f_ffree == 0 or ending.signal == signal.SIGXFSZ):
        # Some libraries swallow the errno: a failure on a full disk is the disk's.
        ending.exceeded, ending.is_stopped = LimitKind.LIMIT_KIND_DISK, True
    if ending.exceeded == LimitKind.LIMIT_KIND_DISK and disk.f_ffree == 0:
        ending.exceeded = LimitKind.LIMIT_KIND_INODES


def _parse(report: bytes) -> _Report | None:
    try:
        return _Report.model_validate_json(report)
    except ValidationError:  # none was made, or not by our code
        return None


def _claimed(report: bytes) -> LimitKind.ValueType:
    said = _parse(report)
    return _REFUSED[said.error.refused] if said and said.error else LimitKind.LIMIT_KIND_UNSPECIFIED


def _take_report(ending: Ending, report: bytes) -> None:
    said = _parse(report)
    if said is None:
        return
    if said.error:
        ending.error = PythonError(type=said.error.type, message=said.error.message, line=said.error.line)
    ending.figures = tuple(said.figures)
    ending.notes += [note[:500] for note in said.notes]
