"""From what the kernel, process 1 and the program say to how a run ended."""

import os
import signal
from collections.abc import Mapping

from pydantic import BaseModel

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Limits
from sandbox.cgroups import Usage
from sandbox.runners.base import Ending
from sandbox.runners.report import Refused, Report, parse


class _Exit(BaseModel):
    status: int
    peak_memory_kib: int
    is_disk_full: bool = False


class _ExitMessage(BaseModel):
    exit: _Exit


_REFUSED: Mapping[Refused, LimitKind.ValueType] = {
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
    disk: os.statvfs_result | None,
    limits: Limits,
    wall_s: float,
    cpu_s: float,
) -> Ending:
    """Return how a run ended.

    Args:
      stopped_by: the limit at which the service killed it.
      exit_message: of process 1; empty if it was killed.
      report: of the program's process; untrusted.
      disk: the file system of /work, after everything is dead; None where process 1 tells of it.
      cpu_s: as the processes' parent counts it; a cgroup, where there is one, counts it better.
    """
    usage = usage or Usage()
    is_disk_full, is_out_of_inodes = disk is not None and disk.f_bavail == 0, disk is not None and disk.f_ffree == 0
    ending = Ending(
        wall_s=wall_s, cpu_s=cpu_s if usage.cpu_s is None else usage.cpu_s, peak_memory_kib=usage.peak_memory_kib or 0
    )
    if exit_message:
        said = _ExitMessage.model_validate_json(exit_message).exit
        # The group's peak also holds files the kernel cached on its behalf: the processes' own is what a person means.
        ending.peak_memory_kib = said.peak_memory_kib
        ending.signal = os.WTERMSIG(said.status) if os.WIFSIGNALED(said.status) else 0
        is_disk_full = is_disk_full or said.is_disk_full
        ending.exit_code = os.waitstatus_to_exitcode(said.status) if not ending.signal else 128 + ending.signal
    else:
        ending.signal, ending.exit_code = signal.SIGKILL, 128 + signal.SIGKILL
    said_inside = parse(report)
    _take_report(ending, said_inside)
    refused = _REFUSED[said_inside.refused]
    _name_limit(ending, stopped_by, usage, refused=refused, is_disk_full=is_disk_full or is_out_of_inodes)
    if ending.exceeded == LimitKind.LIMIT_KIND_DISK and is_out_of_inodes:
        ending.exceeded = LimitKind.LIMIT_KIND_INODES
    if ending.is_stopped and ending.exceeded == LimitKind.LIMIT_KIND_MEMORY and usage.oom_kill_count:
        ending.peak_memory_kib = limits.memory_mib * 1024
    return ending


def _name_limit(
    ending: Ending,
    stopped_by: LimitKind.ValueType | None,
    usage: Usage,
    *,
    refused: LimitKind.ValueType,
    is_disk_full: bool,
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
    elif has_failed and (is_disk_full or ending.signal == signal.SIGXFSZ):
        # Some libraries swallow the errno: a failure on a full disk is the disk's.
        ending.exceeded, ending.is_stopped = LimitKind.LIMIT_KIND_DISK, True


def _take_report(ending: Ending, said: Report) -> None:
    ending.error = said.error
    ending.captured = said.captured
    ending.figures = said.figures
    ending.value = said.value
    ending.notes += said.notes
