"""Processes are told apart by number and start time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cli.processes import ProcessId, memory_mib


@contextmanager
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits until its input ends."""
    with subprocess.Popen((sys.executable, "-S", "-c", "input()"), stdin=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def identity(pid: int) -> ProcessId:
    found = ProcessId.of(pid)
    assert found is not None
    return found


def test_a_signal_reaches_the_process_it_is_meant_for() -> None:
    with child() as process:
        who = identity(process.pid)
        assert who.is_alive
        assert not who.wait(0)

        assert who.send(signal.SIGTERM)

        assert who.wait(10)
        assert process.wait() == -signal.SIGTERM


def test_a_number_that_went_to_another_process_is_never_signalled() -> None:
    with child() as process:
        earlier = ProcessId(process.pid, identity(process.pid).start_ticks - 1)

        assert not earlier.is_alive
        assert not earlier.send(signal.SIGKILL)
        assert earlier.wait(0)
        assert process.poll() is None


def test_a_process_that_only_waits_to_be_reaped_has_ended() -> None:
    with child() as process:
        who = identity(process.pid)
        process.kill()
        assert who.wait(10)

        assert not who.is_alive
        assert not who.send(signal.SIGTERM)
        assert process.wait() == -signal.SIGKILL


def test_memory_counts_descendants() -> None:
    alone = memory_mib(os.getpid())
    assert alone is not None and alone > 1
    with child() as process:
        its_own = memory_mib(process.pid)
        assert its_own is not None and its_own > 1
        process.kill()
        process.wait()
        assert memory_mib(process.pid) is None
