"""A bounded pool of worker processes: a slow image blocks nobody, a crash costs one call, cancelling frees the place.

A worker runs `servers.vision.worker`. It is asked in frames, and answers each with one (`servers.kit.workers.frames`):

    operation (1 byte) | length of the argument (4 bytes) | length of the image (4 bytes) | argument | image
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from typing import Literal

from servers.kit.errors import DeadlineExceeded, Overloaded, UpstreamUnavailable
from servers.kit.workers.frames import REFUSED, unpack_error
from servers.kit.workers.process import WorkerEnded, WorkerProcess

REQUEST = struct.Struct(">BII")
OPERATIONS: tuple[str, ...] = ("analyze", "overlay", "shrink")
_PROGRAM = "servers.vision.worker"


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
        self._idle: asyncio.Queue[WorkerProcess | None] = asyncio.Queue()
        self._alive: set[WorkerProcess] = set()
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
            if worker is not None and not worker.is_alive:
                self._end(worker)
                worker = None
            worker = worker or await self._new_worker()
            async with asyncio.timeout(self._max_task_s):
                head = REQUEST.pack(OPERATIONS.index(operation), len(argument), len(image))
                await worker.ask(head, argument, image)
                status, payload = await worker.answer()
            finished = True
        except TimeoutError:
            raise DeadlineExceeded(f"reading the image took over {self._max_task_s:.0f} s") from None
        except WorkerEnded as error:
            raise UpstreamUnavailable(
                "the process that read this image ended unexpectedly; it may need more memory than it may have"
            ) from error
        finally:
            # A worker in the middle of an image can't be asked anything else: it is replaced at the next call.
            if worker is not None and not finished:
                self._end(worker)
            self._idle.put_nowait(worker if finished else None)
        if status == REFUSED:
            raise unpack_error(payload)
        return payload

    async def close(self) -> None:
        """End every worker."""
        for worker in tuple(self._alive):
            self._end(worker)
        await asyncio.gather(*self._ending)

    async def _new_worker(self) -> WorkerProcess:
        spec = self._spec
        worker = await WorkerProcess.start(_PROGRAM, spec.max_bytes, spec.max_pixels, spec.memory_mib)
        self._alive.add(worker)
        return worker

    def _end(self, worker: WorkerProcess) -> None:
        self._alive.discard(worker)
        task = asyncio.get_running_loop().create_task(worker.kill())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
