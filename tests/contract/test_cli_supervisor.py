"""The supervisor over real processes: starts, restarts, gives up, and leaves nothing behind.

The processes are small programs that report to a socket of the test: their number when they start, what happens to
them, and their end by its closing.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cli import mesh_state, supervisor
from cli.config import Settings
from cli.health import last_words
from cli.mesh_state import Member, MeshState
from cli.plan import PlannedProcess
from cli.processes import ProcessId
from cli.supervisor import AlreadyRunning, Supervisor, end_leftovers

PATIENCE_S = 30
REPORT = """
import os, signal, socket, sys
to_test = socket.socket(socket.AF_UNIX)
to_test.connect(os.environ["TEST_SOCKET"])
def tell(what): to_test.sendall(f"{what} {os.getpid()}\\n".encode())
def ended(*_): tell(f"{NAME} ended"); sys.exit(0)
"""
PROGRAMS = {
    "waits": "signal.signal(signal.SIGTERM, ended); tell(f'{NAME} started')\nwhile True: signal.pause()",
    "deaf": "signal.signal(signal.SIGTERM, signal.SIG_IGN); tell(f'{NAME} started')\nwhile True: signal.pause()",
    "crashes": "tell(f'{NAME} started'); sys.exit('no such luck')",
    "misset": "tell(f'{NAME} started'); sys.exit(2)",
    "listens": (
        "at = os.environ['TEST_SOCKET'] + '.listens'\nos.path.exists(at) and os.unlink(at)\n"
        "socket.socket(socket.AF_UNIX).bind(at); tell(f'{NAME} started'); sys.exit('no such luck')"
    ),
}


class Reports:
    """What the programs tell, in order."""

    def __init__(self) -> None:
        self._told: asyncio.Queue[tuple[str, int]] = asyncio.Queue()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        last = ("", 0)
        async for line in reader:
            name, what, pid = line.decode().split()
            last = (name, int(pid))
            self._told.put_nowait((f"{name} {what}", int(pid)))
        self._told.put_nowait((f"{last[0]} gone", last[1]))
        writer.close()

    async def next(self) -> tuple[str, int]:
        async with asyncio.timeout(PATIENCE_S):
            return await self._told.get()

    async def until(self, told: str) -> int:
        """Return the number of the process that tells this, whatever is told before."""
        while True:
            what, pid = await self.next()
            if what == told:
                return pid


@pytest.fixture
async def reports(home: Path, monkeypatch: pytest.MonkeyPatch):
    programs = home / "programs"
    programs.mkdir()
    for name, code in PROGRAMS.items():
        (programs / f"test_{name}.py").write_text(f"NAME = {name!r}\n{REPORT}\n{code}\n")
    monkeypatch.setenv("PYTHONPATH", str(programs))
    monkeypatch.setenv("TEST_SOCKET", str(home / "test.sock"))
    monkeypatch.setattr(supervisor, "FIRST_BACKOFF_S", 0.001)
    told = Reports()
    async with await asyncio.start_unix_server(told.take, home / "test.sock"):
        yield told


@pytest.fixture
def settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("LOUPE_HOME", str(home))
    return Settings()


def planned(*names: str) -> list[PlannedProcess]:
    return [PlannedProcess(name, f"test_{name}", "", stop_phase=place) for place, name in enumerate(names)]


@asynccontextmanager
async def running(settings: Settings, *names: str) -> AsyncIterator[Supervisor]:
    """A supervisor over these programs, which has ended with the block."""
    kept = Supervisor(settings, planned(*names))
    task = asyncio.create_task(kept.run())
    try:
        await asyncio.wait({task, started := asyncio.create_task(kept.started.wait())}, return_when="FIRST_COMPLETED")
        started.cancel()
        yield kept
    finally:
        kept.stop()
        async with asyncio.timeout(PATIENCE_S):
            await task


async def member(settings: Settings, name: str, state: str) -> Member:
    """Return what is recorded of a process once it is in a state."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            recorded = mesh_state.read(settings.run_dir)
            for found in recorded.members if recorded else ():
                if (found.name, found.state) == (name, state):
                    return found
            await asyncio.sleep(0.01)


async def test_what_runs_is_recorded_with_its_start_time_and_nothing_of_it_stays(settings, reports) -> None:
    async with running(settings, "waits"):
        pid = await reports.until("waits started")
        state = mesh_state.read_running(settings.run_dir)

        assert state is not None
        assert state.supervisor == ProcessId.of(os.getpid())
        assert state.processes == [ProcessId.of(pid)]
        assert os.getsid(pid) == pid  # Ctrl-C in the terminal does not reach it

    assert await reports.next() == ("waits ended", pid)
    assert list(settings.run_dir.iterdir()) == []
    assert (settings.logs_dir / "waits.log").read_text() == ""


async def test_a_crashed_process_is_started_again(settings, reports) -> None:
    async with running(settings, "waits"):
        first = await reports.until("waits started")
        os.kill(first, signal.SIGKILL)
        second = await reports.until("waits started")

        assert second != first
        found = await member(settings, "waits", "running")
        assert (found.process, found.restart_count) == (ProcessId.of(second), 1)


async def test_a_process_that_keeps_crashing_is_given_up_and_the_others_run_on(settings, reports) -> None:
    async with running(settings, "crashes", "waits"):
        found = await member(settings, "crashes", "failed")

        assert (found.process, found.restart_count) == (None, supervisor.MAX_RESTARTS + 1)
        assert last_words(settings.logs_dir / "crashes.log", found.log_offset) == "no such luck"
        assert (await member(settings, "waits", "running")).restart_count == 0


async def test_a_process_that_listened_before_it_ended_is_never_given_up(settings, reports, home, monkeypatch) -> None:
    monkeypatch.setattr(supervisor, "MAX_RESTARTS", 1)
    sign = home / "test.sock.listens"
    kept = Supervisor(settings, [PlannedProcess("listens", "test_listens", "", 0, sign)])
    running_until_stopped = asyncio.create_task(kept.run())
    for _ in range(4):
        await reports.until("listens started")
    kept.stop()
    await running_until_stopped


@pytest.mark.parametrize(("count", "pause_s"), [(1, 0.0), (2, 0.5), (3, 1.0), (6, 8.0), (60, 8.0)])
def test_the_first_end_in_a_while_is_followed_by_a_start_at_once(count, pause_s) -> None:
    assert supervisor._pause_s(count) == pause_s


async def test_a_process_with_wrong_settings_is_not_tried_again(settings, reports) -> None:
    async with running(settings, "misset"):
        assert (await member(settings, "misset", "failed")).restart_count == 1


async def test_a_process_that_does_not_stop_is_killed(settings, reports, monkeypatch) -> None:
    monkeypatch.setattr(supervisor, "STOP_TIMEOUT_S", 0.05)
    async with running(settings, "deaf"):
        pid = await reports.until("deaf started")

    assert await reports.next() == ("deaf gone", pid)
    assert ProcessId.of(pid) is None


async def test_processes_of_a_later_phase_stop_when_those_of_an_earlier_have(settings, reports) -> None:
    async with running(settings, "waits", "deaf") as kept:
        await reports.until("waits started")
        deaf = (await member(settings, "deaf", "running")).process
        assert deaf is not None
        kept.stop()
        await reports.until("waits gone")
        os.kill(deaf.pid, signal.SIGKILL)


async def test_a_second_supervisor_of_the_same_folder_starts_nothing(settings, reports) -> None:
    async with running(settings, "waits"):
        pid = await reports.until("waits started")

        with pytest.raises(AlreadyRunning):
            await Supervisor(settings, planned("crashes")).run()
        with pytest.raises(AlreadyRunning):
            end_leftovers(settings)

        state = mesh_state.read_running(settings.run_dir)
        assert state is not None and state.processes == [ProcessId.of(pid)]


async def test_a_killed_supervisor_takes_its_processes_with_it(settings, reports) -> None:
    code = (
        "import asyncio\n"
        "from cli.config import Settings\n"
        "from cli.plan import PlannedProcess\n"
        "from cli.supervisor import Supervisor\n"
        "asyncio.run(Supervisor(Settings(), [PlannedProcess('waits', 'test_waits', '', 0)]).run())"
    )
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    pid = await reports.until("waits started")

    killed.kill()
    await killed.wait()

    assert await reports.next() == ("waits ended", pid)
    # The signal may come twice: from the kernel, and from the launcher that the kernel told first.
    while (report := await reports.next()) == ("waits ended", pid):
        continue
    assert report == ("waits gone", pid)
    end_leftovers(settings)
    assert list(settings.run_dir.iterdir()) == []


async def test_what_a_killed_supervisor_left_is_ended_and_a_process_with_a_used_number_is_not(
    settings, reports
) -> None:
    settings.run_dir.mkdir()
    command = (sys.executable, "-m", "test_waits")
    left, other = [await asyncio.create_subprocess_exec(*command) for _ in range(2)]
    for _ in range(2):
        await reports.until("waits started")
    left_id, other_id = ProcessId.of(left.pid), ProcessId.of(other.pid)
    assert left_id is not None and other_id is not None
    gone = ProcessId(os.getpid(), 1)  # a supervisor that had our number
    recycled = ProcessId(other.pid, other_id.start_ticks - 1)
    members = (Member("files", left_id, "running"), Member("vision", recycled, "running"))
    MeshState(gone, "127.0.0.1:8000", members).write(settings.run_dir)

    assert await asyncio.to_thread(end_leftovers, settings) == 1

    assert await left.wait() == 0
    assert other_id.is_alive
    assert list(settings.run_dir.iterdir()) == []
    other.kill()
    await other.wait()


async def test_a_record_that_is_no_record_is_no_mesh(settings) -> None:
    settings.run_dir.mkdir()
    for text in ("", "[]", '{"supervisor": {"pid": 1}}', '{"members": [], "supervisor": 7, "address": ""}'):
        (settings.run_dir / mesh_state.FILE_NAME).write_text(text)
        assert mesh_state.read(settings.run_dir) is None


async def test_a_long_log_is_put_aside_when_its_process_starts(settings, reports, monkeypatch) -> None:
    monkeypatch.setattr(supervisor, "MAX_LOG_BYTES", 3)
    settings.logs_dir.mkdir()
    (settings.logs_dir / "waits.log").write_text("long")
    async with running(settings, "waits"):
        await reports.until("waits started")

    assert (settings.logs_dir / "waits.log.1").read_text() == "long"
    assert (settings.logs_dir / "waits.log").read_text() == ""
