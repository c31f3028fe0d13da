"""Starts each engine that a run is about once; LOUPE_TEST_ENGINES names them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.conformance.rigs import ENGINES, IN_PROCESS, SERVED, Rig, opened

# What is only true of engines that this run is not about is no part of it.
collect_ignore = []
if not SERVED:
    collect_ignore.append("test_served.py")
if not IN_PROCESS:
    collect_ignore += ["test_in_process.py", "test_whisper.py"]
if "openai" not in ENGINES:
    collect_ignore.append("test_fault_proxy.py")
if "triton" not in ENGINES:
    collect_ignore.append("test_triton.py")


@pytest_asyncio.fixture(params=ENGINES, scope="session", loop_scope="session")
async def rig(request) -> AsyncIterator[Rig]:
    """An engine that can be asked."""
    home = Path(tempfile.mkdtemp(prefix="loupe-"))  # short enough for sockets
    async with opened(request.param, home) as made:
        yield made
    if not request.session.testsfailed:  # its logs say why
        shutil.rmtree(home, ignore_errors=True)
