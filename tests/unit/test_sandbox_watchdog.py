"""Memory of a family of processes, seen from outside."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE

from sandbox import watchdog

HOLDER = (
    "import subprocess, sys\n"
    "held = bytearray(b'x') * 40_000_000\n"
    "if len(sys.argv) > 1:\n"
    "    child = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE)\n"
    "    child.stdout.readline()\n"
    "print('held', flush=True)\n"
    "sys.stdin.read()\n"
)


async def test_what_parent_and_child_hold_is_counted_together(tmp_path):
    (tmp_path / "holder.py").write_text(HOLDER)
    command = [sys.executable, str(tmp_path / "holder.py"), "with child"]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    held = watchdog.held_bytes(process.pid)
    assert held is not None
    assert 80_000_000 < held < 200_000_000
    over = asyncio.Event()
    await watchdog.watch(process.pid, 60_000_000, over.set)
    assert over.is_set()
    await process.communicate(b"")


async def test_a_family_that_is_gone_ends_the_watch():
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await process.wait()
    over = asyncio.Event()
    await watchdog.watch(process.pid, 1, over.set)
    assert not over.is_set()
