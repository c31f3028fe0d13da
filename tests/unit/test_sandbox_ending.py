"""From what is said at the end of a run to what is reported."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Limits
from sandbox.cgroups import Usage
from sandbox.limits import resolve
from sandbox.policy import load
from sandbox.runners.base import Ending
from sandbox.runners.ending import ending_of
from servers.kit.errors import LimitTooHigh

LIMITS = Limits(memory_mib=64)


def disk(*, free_blocks: int = 10, free_inodes: int = 10) -> os.statvfs_result:
    return os.statvfs_result((4096, 4096, 100, free_blocks, free_blocks, 100, free_inodes, free_inodes, 0, 255))


def said(status: int) -> bytes:
    return json.dumps({"exit": {"status": status, "peak_memory_kib": 2000}}).encode()


def raised(refused: str = "", line: int = 3) -> bytes:
    error = {"type": "OSError", "message": "no", "line": line, "refused": refused}
    return json.dumps({"error": error, "figures": [], "notes": []}).encode()


def ending(**given: Any) -> Ending:
    defaults: dict[str, Any] = {
        "stopped_by": None,
        "exit_message": said(0),
        "report": b"",
        "usage": None,
        "disk": disk(),
        "limits": LIMITS,
        "wall_s": 1.0,
        "cpu_s": 0.5,
    }
    return ending_of(**(defaults | given))


def test_a_quiet_end_is_exit_code_0():
    done = ending()
    assert (done.exit_code, done.signal, done.is_stopped, done.exceeded) == (0, 0, False, 0)
    assert (done.cpu_s, done.peak_memory_kib) == (0.5, 2000)


def test_an_exit_code_and_a_signal_are_told_apart():
    assert ending(exit_message=said(7 << 8)).exit_code == 7
    killed = ending(exit_message=said(11))
    assert (killed.signal, killed.exit_code, killed.is_stopped) == (11, 139, False)


def test_what_the_service_stopped_is_that_limits_whatever_the_program_says():
    stopped = ending(stopped_by=LimitKind.LIMIT_KIND_WALL_TIME, exit_message=b"", report=raised("network"))
    assert (stopped.exceeded, stopped.is_stopped, stopped.signal) == (LimitKind.LIMIT_KIND_WALL_TIME, True, 9)


def test_a_kill_for_memory_names_memory_and_the_peak_is_the_limit():
    killed = ending(exit_message=said(9), usage=Usage(1.0, 65536, oom_kill_count=1))
    assert (killed.exceeded, killed.is_stopped, killed.peak_memory_kib) == (LimitKind.LIMIT_KIND_MEMORY, True, 65536)


def test_a_program_that_survives_its_childs_kill_for_memory_ends_by_itself():
    survived = ending(usage=Usage(1.0, 65536, oom_kill_count=1))
    assert (survived.exceeded, survived.is_stopped) == (LimitKind.LIMIT_KIND_MEMORY, False)


@pytest.mark.parametrize(
    ("refused", "kind"),
    [
        ("memory", LimitKind.LIMIT_KIND_MEMORY),
        ("disk", LimitKind.LIMIT_KIND_DISK),
        ("processes", LimitKind.LIMIT_KIND_PROCESSES),
        ("network", LimitKind.LIMIT_KIND_NETWORK),
    ],
)
def test_an_exception_about_a_refusal_names_its_limit(refused, kind):
    failed = ending(exit_message=said(1 << 8), report=raised(refused))
    assert (failed.exceeded, failed.is_stopped) == (kind, True)
    assert failed.error is not None
    assert failed.error.line == 3


def test_a_full_disk_and_full_inodes_are_told_apart_also_when_the_errno_was_swallowed():
    assert ending(exit_message=said(1 << 8), disk=disk(free_blocks=0)).exceeded == LimitKind.LIMIT_KIND_DISK
    assert ending(exit_message=said(1 << 8), disk=disk(free_inodes=0)).exceeded == LimitKind.LIMIT_KIND_INODES
    assert ending(disk=disk(free_blocks=0)).exceeded == LimitKind.LIMIT_KIND_UNSPECIFIED


def test_refused_forks_that_the_program_survived_are_mentioned():
    survived = ending(usage=Usage(1.0, 1, refused_fork_count=4))
    assert (survived.exceeded, survived.is_stopped) == (LimitKind.LIMIT_KIND_PROCESSES, False)


@pytest.mark.parametrize(
    "report",
    [b"", b"{", b"[]", b'{"error": 5}', b'{"exit": {"status": 0}}', b"\xff" * 65536, raised(line=-1), raised("root")],
)
def test_a_report_in_no_form_of_ours_is_ignored(report):
    ignored = ending(exit_message=said(1 << 8), report=report)
    assert ignored.error is None
    assert (ignored.exit_code, ignored.exceeded) == (1, 0)


def test_absent_limits_take_the_default_and_present_ones_count():
    limits = resolve(Limits(wall_time_s=2.5, artifact_count=0), load().limits)
    assert (limits.wall_time_s, limits.artifact_count, limits.memory_mib, limits.cpu_count) == (2.5, 0, 2048, 2.0)
    assert (limits.disk_mib, limits.process_count, limits.output_kib, limits.artifact_mib) == (100, 256, 1024, 32)


def test_a_limit_over_the_maximum_names_itself_and_both_values():
    with pytest.raises(LimitTooHigh, match=r"limits\.wall_time_s is 120\.5 s, at most 120 s"):
        resolve(Limits(wall_time_s=120.5), load().limits)
