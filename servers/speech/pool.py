"""A bounded pool of processes: a hostile recording blocks nobody, a crash costs one call, cancelling frees the place.

A worker is a program of its own (`python -m servers.speech.worker`), never a fork of a process that runs gRPC. It is
started when there is work and ended when there was none for a while. It talks in frames over its standard streams:

    request:   operation (1 byte) | length (4 bytes) | recording or piece
    responses: status (1 byte)    | length (4 bytes) | payload, any number of PART, then one of DONE or REFUSED
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal

from loupe.type.v1.error_reason_pb2 import ErrorReason
from servers.kit.errors import DeadlineExceeded, NotReady, Overloaded, UpstreamUnavailable, class_of

REQUEST = struct.Struct(">BI")
RESPONSE = struct.Struct(">BI")
READY, PART, DONE, REFUSED = 0, 1, 2, 3
OPERATIONS: tuple[str, ...] = ("transcribe", "listen", "recognize")
Operation = Literal["transcribe", "listen", "recognize"]
# NumPy, FFmpeg and the recogniser's library take half a second on an idle machine.
_START_S = 60.0


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
        self._idle: dict[_Worker, asyncio.TimerHandle] = {}
        self._alive: set[_Worker] = set()
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
        worker: _Worker | None = None
        is_finished = False
        try:
            worker = await self._worker()
            async with asyncio.timeout(self._max_step_s):
                await worker.ask(OPERATIONS.index(operation), content)
            while not is_finished:
                async with asyncio.timeout(self._max_step_s):
                    status, payload = await worker.answer()
                is_finished = status != PART
                if status == REFUSED:
                    refusal = json.loads(payload)
                    raise class_of(ErrorReason.Value(refusal["reason"]))(refusal["message"])
                yield Frame(is_finished, payload)
        except TimeoutError:
            raise DeadlineExceeded(f"a step of listening to the recording took over {self._max_step_s:.0f} s") from None
        except (asyncio.IncompleteReadError, ConnectionError) as error:
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

    async def _worker(self) -> _Worker:
        while self._idle:
            worker, timer = self._idle.popitem()
            timer.cancel()
            if worker.is_alive:
                return worker
            self._end(worker)
        worker = await _Worker.start(self._spec)
        self._alive.add(worker)
        try:
            async with asyncio.timeout(_START_S):
                await worker.answer()
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            self._end(worker)
            raise NotReady("a process that listens does not start; its last words are in the log") from error
        except asyncio.CancelledError:
            self._end(worker)
            raise
        return worker

    def _leave(self, worker: _Worker, *, is_finished: bool) -> None:
        """Keep a worker for the next call; one in the middle of a recording can't be asked anything else."""
        if not is_finished or self._is_closed:
            self._end(worker)
            return
        timer = asyncio.get_running_loop().call_later(self._idle_s, self._end, worker)
        self._idle[worker] = timer

    def _end(self, worker: _Worker) -> None:
        timer = self._idle.pop(worker, None)
        if timer is not None:
            timer.cancel()
        if worker not in self._alive:
            return
        self._alive.discard(worker)
        task = asyncio.get_running_loop().create_task(worker.kill())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


class _Worker:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout

    @classmethod
    async def start(cls, spec: WorkerSpec) -> _Worker:
        """Return a process that has been started and may not be ready yet."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "servers.speech.worker",
            *(str(spec.max_bytes), str(spec.max_seconds), str(spec.memory_mib)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # A worker is one core's; threads of OpenBLAS would take those of the others.
            env={**os.environ, "OMP_THREAD_LIMIT": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        return cls(process)

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    async def ask(self, operation: int, content: bytes) -> None:
        """Send a request."""
        self._stdin.write(REQUEST.pack(operation, len(content)))
        self._stdin.write(content)
        await self._stdin.drain()

    async def answer(self) -> tuple[int, bytes]:
        """Return (status, payload) of the next frame."""
        status, length = RESPONSE.unpack(await self._stdout.readexactly(RESPONSE.size))
        return status, await self._stdout.readexactly(length)

    async def kill(self) -> None:
        """End the process and wait until it is gone."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self._stdin.close()
