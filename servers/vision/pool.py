"""A bounded pool of worker processes: a slow image blocks nobody, a crash costs one call, cancelling frees the place.

A worker is a program of its own (`python -m servers.vision.worker`), never a fork of a process that runs gRPC. It talks
in frames over its standard streams:

    request:  operation (1 byte) | length of the argument (4 bytes) | length of the image (4 bytes) | argument | image
    response: status (1 byte)    | length (4 bytes)                 | payload
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
import sys
from dataclasses import dataclass
from typing import Literal

from loupe.type.v1.error_reason_pb2 import ErrorReason
from servers.kit.errors import DeadlineExceeded, NotReady, Overloaded, UpstreamUnavailable, class_of

REQUEST = struct.Struct(">BII")
RESPONSE = struct.Struct(">BI")
READY, DONE, REFUSED = 0, 1, 2
OPERATIONS: tuple[str, ...] = ("analyze", "overlay", "shrink")
# A process that imports OpenCV and loads the recognition data takes about a second on a busy machine.
_START_S = 60.0


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What a worker is told when it starts."""

    max_bytes: int
    max_pixels: int
    memory_mib: int
    """Address space at most, 0 for no limit."""


class WorkerPool:
    """Runs operations on images, at most one per worker.

    Not promised: order among waiting calls of different event loops; one pool belongs to one loop.
    """

    def __init__(self, spec: WorkerSpec, *, workers: int, max_waiting: int, max_task_s: float) -> None:
        self._spec = spec
        self._size = workers
        self._max_waiting = max_waiting
        self._max_task_s = max_task_s
        self._waiting = 0
        self._idle: asyncio.Queue[_Worker | None] = asyncio.Queue()
        self._alive: set[_Worker] = set()
        self._ending: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start every worker.

        Raises:
          NotReady: a worker says what is missing, or does not start.
        """
        for _ in range(self._size):
            self._idle.put_nowait(await self._new_worker())

    async def run(self, operation: Literal["analyze", "overlay", "shrink"], argument: bytes, image: bytes) -> bytes:
        """Return the payload of a worker's answer.

        Raises:
          Overloaded: as many calls wait as may.
          UpstreamUnavailable: the worker died on this image.
          DeadlineExceeded: the image took longer than any may.
          LoupeError: what the worker says of the image.
        """
        if self._idle.empty() and self._waiting >= self._max_waiting:
            raise Overloaded(
                f"{self._size} images are being read and {self._waiting} wait, at most {self._max_waiting}",
                retry_after_s=2.0,
            )
        self._waiting += 1
        try:
            worker = await self._idle.get()
        finally:
            self._waiting -= 1
        finished = False
        try:
            if worker is None or not worker.is_alive:
                worker = await self._new_worker()
            async with asyncio.timeout(self._max_task_s):
                status, payload = await worker.ask(OPERATIONS.index(operation), argument, image)
            finished = True
        except TimeoutError:
            raise DeadlineExceeded(f"reading the image took over {self._max_task_s:.0f} s") from None
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise UpstreamUnavailable(
                "the process that read this image ended unexpectedly; it may need more memory than it may have"
            ) from error
        finally:
            # A worker in the middle of an image can't be asked anything else: it is replaced at the next call.
            if worker is not None and not finished:
                self._end(worker)
            self._idle.put_nowait(worker if finished else None)
        if status == REFUSED:
            refusal = json.loads(payload)
            raise class_of(ErrorReason.Value(refusal["reason"]))(refusal["message"])
        return payload

    async def close(self) -> None:
        """End every worker."""
        for worker in tuple(self._alive):
            self._end(worker)
        await asyncio.gather(*self._ending)

    async def _new_worker(self) -> _Worker:
        worker = await _Worker.start(self._spec)
        self._alive.add(worker)
        try:
            async with asyncio.timeout(_START_S):
                status, payload = await worker.answer()
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            self._end(worker)
            raise NotReady("a process that reads images does not start; its last words are in the log") from error
        except asyncio.CancelledError:
            self._end(worker)
            raise
        if status == REFUSED:
            self._end(worker)
            raise NotReady(json.loads(payload)["message"])
        return worker

    def _end(self, worker: _Worker) -> None:
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
        limits = (str(spec.max_bytes), str(spec.max_pixels), str(spec.memory_mib))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "servers.vision.worker",
            *limits,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Threads of OpenBLAS and OpenCV fight each other over the cores that the other workers have.
            env={**os.environ, "OMP_THREAD_LIMIT": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        return cls(process)

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    async def ask(self, operation: int, argument: bytes, image: bytes) -> tuple[int, bytes]:
        """Return (status, payload)."""
        self._stdin.write(REQUEST.pack(operation, len(argument), len(image)))
        self._stdin.write(argument)
        self._stdin.write(image)
        await self._stdin.drain()
        return await self.answer()

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
