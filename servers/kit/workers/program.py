"""The worker's side: what its program answers with."""

from __future__ import annotations

import os
import resource
import signal
from typing import BinaryIO

from servers.kit.errors import LoupeError
from servers.kit.workers.frames import DONE, READY, REFUSED, RESPONSE, pack_error


class Answers:
    """The frames that this process writes. Requests are read from the standard input, until that ends."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    @classmethod
    def open(cls, *, memory_mib: int) -> Answers:
        """Make this process a worker, before it loads anything.

        Args:
          memory_mib: address space that it may have, 0 for no limit.
        """
        # Ctrl-C reaches every process of a terminal; the server ends its workers itself.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        stream = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)  # what a C library prints must not look like a frame
        if memory_mib:
            resource.setrlimit(resource.RLIMIT_AS, (memory_mib * 2**20,) * 2)
        return cls(stream)

    def ready(self) -> None:
        """Say that requests may come."""
        self.say(READY, b"")

    def done(self, payload: bytes) -> None:
        """End an answer."""
        self.say(DONE, payload)

    def refuse(self, error: LoupeError) -> None:
        """End an answer, or the start, with why there is none."""
        self.say(REFUSED, pack_error(error))

    def say(self, status: int, payload: bytes) -> None:
        """Write one frame."""
        self._stream.write(RESPONSE.pack(status, len(payload)))
        self._stream.write(payload)
        self._stream.flush()
