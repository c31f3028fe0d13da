"""A disk that no longer says that what was written is safe: each sync of a process fails, for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_WITHIN_S = 30.0


@asynccontextmanager
async def failing_syncs(pid: int, *calls: str) -> AsyncIterator[None]:
    """Answer calls of a process with EIO until the block ends, as its kernel does for a bad disk.

    Args:
      calls: fdatasync is SQLite's, fsync everybody else's.

    By strace, which takes hold of the running process and lets go of it again: no other file system, module or library,
    and what runs is what runs elsewhere. What was written before stays in the page cache, as it does on ext4 and XFS.
    """
    names = ",".join(calls)
    command = ("strace", "-f", "-p", str(pid), "-o", "/dev/null", "-e", f"trace={names}", "-e")
    strace = await asyncio.create_subprocess_exec(*command, f"inject={names}:error=EIO", stderr=asyncio.subprocess.PIPE)
    assert strace.stderr is not None
    try:
        async with asyncio.timeout(_WITHIN_S):
            told = await strace.stderr.readline()
        assert b"attached" in told, told.decode()
        yield
    finally:
        strace.terminate()
        async with asyncio.timeout(_WITHIN_S):
            await strace.communicate()
