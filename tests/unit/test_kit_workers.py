"""A worker process: how it starts, ends and is told apart from one that never was."""

from __future__ import annotations

import psutil
import pytest

from servers.kit.errors import NotReady, TooLarge, TooManyPixels
from servers.kit.workers.frames import pack_error, unpack_error
from servers.kit.workers.process import WorkerEnded, WorkerProcess


async def test_a_program_that_does_not_start_is_not_ready_and_leaves_no_process():
    before = {child.pid for child in psutil.Process().children()}
    with pytest.raises(NotReady, match=r"servers\.nothing_here does not start"):
        await WorkerProcess.start("servers.nothing_here")
    assert {child.pid for child in psutil.Process().children()} <= before


async def test_a_process_that_dies_is_told_as_that_and_not_waited_for():
    worker = await WorkerProcess.start("servers.speech.worker", 1000, 1.0, 0)
    assert worker.is_alive
    [process] = [child for child in psutil.Process().children() if "servers.speech.worker" in child.cmdline()]
    process.kill()
    with pytest.raises(WorkerEnded):
        await worker.answer()
    await worker.kill()
    assert not worker.is_alive


@pytest.mark.parametrize("error", [TooLarge("a recording of 3 GB"), TooManyPixels("too “many”")])
def test_a_refusal_comes_back_as_the_error_it_was(error):
    back = unpack_error(pack_error(error))
    assert (type(back), back.message) == (type(error), error.message)
