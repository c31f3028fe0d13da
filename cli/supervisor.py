"""Keeps the processes of the mesh running until it is told to stop: `python -m cli.supervisor`.

It starts all at once, restarts what crashes, records who runs in mesh.json, and ends exactly what it started. Its
children are tied to it: when it is killed, they end too.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from cli import mesh_state, plan
from cli.config import Settings
from cli.mesh_state import Member, MeshState
from cli.plan import PlannedProcess
from cli.processes import ProcessId
from servers.kit.config import load

MAX_RESTARTS = 5
"""Ends in a row, each before it listened, after which a process is given up. One that listened is never given up: what
ended it may have come from outside."""
HEALTHY_AFTER_S = 10.0
"""A process that listened for so long starts counting its ends anew."""
FIRST_BACKOFF_S = 0.5
"""The first end in a row is followed by a start at once, the second by this pause; doubled with each more."""
LONGEST_BACKOFF_S = 8.0
STOP_TIMEOUT_S = 8.0
"""Time to drain after SIGTERM; SIGKILL follows. The servers give running calls 5 s."""
MAX_LOG_BYTES = 16 * 2**20
"""A log that is longer at start is put aside as NAME.log.1."""
EXIT_ALREADY_RUNNING = 75
"""EX_TEMPFAIL of sysexits.h: another supervisor has this LOUPE_HOME."""

_TIED = str(Path(__file__).with_name("tied.py"))
_LOCK_NAME = "mesh.lock"
_BAD_SETTINGS = 2  # how servers.kit.config.load ends a process; starting it again can't help


class AlreadyRunning(Exception):
    """Another supervisor has this LOUPE_HOME."""


class Supervisor:
    """The processes of one LOUPE_HOME."""

    def __init__(self, settings: Settings, planned: Iterable[PlannedProcess]) -> None:
        self._settings = settings
        self.started = asyncio.Event()
        """Set once mesh.json tells of this supervisor."""
        self._stopping = asyncio.Event()
        me = ProcessId.of(os.getpid())
        assert me is not None  # we run
        self._state = MeshState(me, settings.address)
        self._kept = [KeptProcess(one, settings, self._record) for one in planned]

    def stop(self) -> None:
        """Begin to stop; `run` returns when everything has ended."""
        self._stopping.set()

    async def run(self) -> None:
        """Keep the mesh until `stop`.

        Raises:
          AlreadyRunning: nothing was started.
        """
        run_dir = self._settings.run_dir
        for folder in (self._settings.home, run_dir, self._settings.logs_dir):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        run_dir.chmod(0o700)
        with _lock(run_dir):
            await asyncio.to_thread(_end_processes, self._settings)
            remove_traces(self._settings)
            self._record()
            self.started.set()
            try:
                async with asyncio.TaskGroup() as group:
                    keeping = [(kept, group.create_task(kept.keep())) for kept in self._kept]
                    await self._stopping.wait()
                    for phase in sorted({kept.planned.stop_phase for kept in self._kept}):
                        await _stop([pair for pair in keeping if pair[0].planned.stop_phase == phase])
            finally:
                remove_traces(self._settings)

    def _record(self) -> None:
        self._state = replace(self._state, members=tuple(kept.member for kept in self._kept))
        self._state.write(self._settings.run_dir)


class KeptProcess:
    """One process that is started, and started again when it ends unasked."""

    def __init__(self, planned: PlannedProcess, settings: Settings, record: Callable[[], None]) -> None:
        self.planned = planned
        self.member = Member(planned.name)
        self._settings = settings
        self._record = record
        self._stopping = asyncio.Event()

    async def keep(self) -> None:
        """Run the process until `stop`, or until it is given up."""
        restart_count = silent_count = 0
        while not self._stopping.is_set():
            started = time.time()
            process = await self._start(restart_count)
            try:
                await self._until_stopping(process.wait())
            finally:
                await _end(process)
            if self._stopping.is_set():
                return
            listened_s = self._listened_s(started)
            restart_count = 1 if listened_s > HEALTHY_AFTER_S else restart_count + 1
            silent_count = 0 if listened_s else silent_count + 1
            is_given_up = silent_count > MAX_RESTARTS or process.returncode == _BAD_SETTINGS
            self._tell("failed" if is_given_up else "restarting", restart_count)
            if is_given_up:
                return
            await self._until_stopping(asyncio.sleep(_pause_s(restart_count)))

    def stop(self) -> None:
        """Begin to end the process; `keep` returns when it has ended."""
        self._stopping.set()

    def _listened_s(self, started: float) -> float:
        """Return for how long the process that was started then, by the wall clock, has listened; 0 if it never did."""
        try:
            bound = self.planned.sign.stat().st_mtime if self.planned.sign else 0.0
        except OSError:
            return 0.0
        return max(time.time() - bound, 0.001) if bound >= started else 0.0

    async def _until_stopping(self, other: Coroutine[Any, Any, Any]) -> None:
        """Return when the other thing is done, or when the process is to stop."""
        waiting = {asyncio.create_task(other), asyncio.create_task(self._stopping.wait())}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def _start(self, restart_count: int) -> asyncio.subprocess.Process:
        path = self._settings.logs_dir / f"{self.planned.name}.log"
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as log:
            offset = log.tell()
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", _TIED, str(os.getpid())),
                *plan.command(self.planned.module),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=plan.ROOT,
                env={**os.environ, **plan.environment(self._settings)},
                start_new_session=True,  # a terminal's Ctrl-C reaches it through the supervisor only
            )
        self.member = Member(self.planned.name, ProcessId.of(process.pid), "running", restart_count, offset)
        self._record()
        return process

    def _tell(self, state: mesh_state.MemberState, restart_count: int) -> None:
        self.member = replace(self.member, process=None, state=state, restart_count=restart_count)
        self._record()


def _pause_s(restart_count: int) -> float:
    """Return how long to wait before a start; none for a process that ended for the first time in a while."""
    if restart_count == 1:
        return 0.0
    return float(min(FIRST_BACKOFF_S * 2 ** (restart_count - 2), LONGEST_BACKOFF_S))


async def _stop(keeping: Sequence[tuple[KeptProcess, asyncio.Task[None]]]) -> None:
    for kept, _ in keeping:
        kept.stop()
    await asyncio.wait([task for _, task in keeping])


async def _end(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, time to drain, SIGKILL; nothing for a process that has ended."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def end_leftovers(settings: Settings) -> int:
    """End and remove what a killed supervisor left behind; return how many processes that were.

    Raises:
      AlreadyRunning: a supervisor is alive, so nothing is left over.
    """
    with _lock(settings.run_dir):
        count = _end_processes(settings)
        remove_traces(settings)
    return count


def _end_processes(settings: Settings) -> int:
    state = mesh_state.read(settings.run_dir)
    left = [process for process in state.processes if process.send(signal.SIGTERM)] if state else []
    until = time.monotonic() + STOP_TIMEOUT_S
    for process in left:
        if not process.wait(until - time.monotonic()):
            process.send(signal.SIGKILL)
            process.wait(STOP_TIMEOUT_S)
    return len(left)


def remove_traces(settings: Settings) -> None:
    """Remove the files by which a running mesh is known. Nothing of it may run any more."""
    signs = [planned.sign for planned in plan.plan(settings) if planned.sign]
    names = ("envoy.yaml", mesh_state.FILE_NAME, f"{mesh_state.FILE_NAME}.partial")
    for path in (*signs, *(settings.run_dir / name for name in names)):
        path.unlink(missing_ok=True)


@contextmanager
def _lock(run_dir: Path) -> Iterator[None]:
    """Hold this LOUPE_HOME for one supervisor; the kernel lets go when the process ends, however it ends."""
    path = run_dir / _LOCK_NAME
    while True:
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning from None
            # The holder before us removed the file while we opened it: hold the one that others will find.
            if not path.exists() or not os.path.samestat(path.stat(), os.fstat(file.fileno())):
                continue
            try:
                yield
            finally:
                path.unlink()
            return


def stop_on_signals(supervisor: Supervisor) -> None:
    """Make SIGTERM, Ctrl-C and a closed terminal stop the mesh in order."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, supervisor.stop)


async def _main() -> int:
    settings = load(Settings)
    supervisor = Supervisor(settings, plan.plan(settings))
    stop_on_signals(supervisor)
    try:
        await supervisor.run()
    except AlreadyRunning:
        return EXIT_ALREADY_RUNNING
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
