"""A bounded pool of processes: a hostile recording blocks nobody, a crash costs one call, cancelling frees the place.

A worker runs `servers.speech.worker`. It is started when there is work and ended when there was none for a while. It is
asked in frames, and answers with some (`servers.kit.workers.frames`):

    operation (1 byte) | length (4 bytes) | recording or piece
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal

from servers.kit.errors import DeadlineExceeded, Overloaded, UpstreamUnavailable
from servers.kit.workers.frames import PART, REFUSED, unpack_error
from servers.kit.workers.process import WorkerEnded, WorkerProcess

REQUEST = struct.Struct(">BI")
OPERATIONS: tuple[str, ...] = ("transcribe", "listen", "recognize")
Operation = Literal["transcribe", "listen", "recognize"]
_PROGRAM = "servers.speech.worker"


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What a worker is told when it starts."""

    max_bytes: int
    max_seconds: float
    memory_mib: int
    """Address space at most, 0 for no limit."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A part of an answer."""

    is_last: bool
    payload: bytes


class WorkerPool:
    """Runs operations on recordings, at most one per worker.

    Not promised: order among waiting calls of different event loops; one pool belongs to one loop.
    """

    def __init__(self, spec: WorkerSpec, *, workers: int, max_waiting: int, max_step_s: float, idle_s: float) -> None:
        self._spec = spec
        self._size = workers
        self._max_waiting = max_waiting
        self._max_step_s = max_step_s
        self._idle_s = idle_s
        self._waiting = 0
        self._places = asyncio.Semaphore(workers)
        self._idle: dict[WorkerProcess, asyncio.TimerHandle] = {}
        self._alive: set[WorkerProcess] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def run(self, operation: Operation, content: bytes) -> AsyncGenerator[Frame, None]:
        """Yield the frames of a worker's answer, the last one marked. Closing the generator ends the work.

        Raises:
          Overloaded: as many calls wait as may.
          UpstreamUnavailable: the worker died on this recording.
          DeadlineExceeded: a step took longer than any may.
          LoupeError: what the worker says of the recording.
        """
        if self._places.locked() and self._waiting >= self._max_waiting:
            raise Overloaded(
                f"{self._size} recordings are being listened to and {self._waiting} wait, at most {self._max_waiting}",
                retry_after_s=5.0,
            )
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        worker: WorkerProcess | None = None
        is_finished = False
        try:
            worker = await self._worker()
            async with asyncio.timeout(self._max_step_s):
                await worker.ask(REQUEST.pack(OPERATIONS.index(operation), len(content)), content)
            while not is_finished:
                async with asyncio.timeout(self._max_step_s):
                    status, payload = await worker.answer()
                is_finished = status != PART
                if status == REFUSED:
                    raise unpack_error(payload)
                yield Frame(is_finished, payload)
        except TimeoutError:
            raise DeadlineExceeded(f"a step of listening to the recording took over {self._max_step_s:.0f} s") from None
        except WorkerEnded as error:
            raise UpstreamUnavailable(
                "the process that listened to this recording ended unexpectedly; it may need more memory than it has"
            ) from error
        finally:
            if worker is not None:
                self._leave(worker, is_finished=is_finished)
            self._places.release()

    async def close(self) -> None:
        """End every worker."""
        self._is_closed = True
        for worker in tuple(self._alive):
            self._end(worker)
        await asyncio.gather(*self._ending)

    async def _worker(self) -> WorkerProcess:
        while self._idle:
            worker, timer = self._idle.popitem()
            timer.cancel()
            if worker.is_alive:
                return worker
            self._end(worker)
        spec = self._spec
        worker = await WorkerProcess.start(_PROGRAM, spec.max_bytes, spec.max_seconds, spec.memory_mib)
        self._alive.add(worker)
        return worker

    def _leave(self, worker: WorkerProcess, *, is_finished: bool) -> None:
        """Keep a worker for the next call; one in the middle of a recording can't be asked anything else."""
        if not is_finished or self._is_closed:
            self._end(worker)
            return
        timer = asyncio.get_running_loop().call_later(self._idle_s, self._end, worker)
        self._idle[worker] = timer

    def _end(self, worker: WorkerProcess) -> None:
        timer = self._idle.pop(worker, None)
        if timer is not None:
            timer.cancel()
        if worker not in self._alive:
            return
        self._alive.discard(worker)
        task = asyncio.get_running_loop().create_task(worker.kill())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
