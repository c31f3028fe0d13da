"""The pipe on which a program's process reports, read as it comes: a report is larger than what a pipe holds."""

from __future__ import annotations

import asyncio
import os

from sandbox.runners.guest_code import MOST_REPORT_BYTES

_READ_BYTES = 65536


class ReportPipe:
    """The reading end, on the running event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._content = bytearray()
        self._fd, self.inner_fd = os.pipe()
        """`inner_fd` is the writing end, the caller's to close."""
        os.set_blocking(self._fd, False)
        self._loop.add_reader(self._fd, self._take)

    def content(self) -> bytes:
        """Return what was written until now; what is over the bound is dropped."""
        while self._fd >= 0 and self._take():
            continue
        return bytes(self._content)

    def close(self) -> None:
        """Read no more."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _take(self) -> bool:
        """Read once; tell whether there may be more."""
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data or len(self._content) + len(data) > MOST_REPORT_BYTES:
            # Nobody writes to it any more, or more than is listened to.
            self._content += data[: MOST_REPORT_BYTES - len(self._content)]
            self.close()
            return False
        self._content += data
        return True
