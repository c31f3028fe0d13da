"""Whether a sandbox holds here, where the first one breaks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from loupe.sandbox.v1.sandbox_pb2 import OutputChunk
from sandbox import policy, probe
from sandbox.runners.base import Ending, SandboxBroken
from servers.kit.errors import NotReady


class Breaking:
    """A runner whose first sandboxes break."""

    name = "breaking"

    def __init__(self, times: int) -> None:
        self.left = times

    @asynccontextmanager
    async def start(self, _program: Any) -> AsyncIterator[Breaking]:
        if self.left:
            self.left -= 1
            raise SandboxBroken("killed")
        yield self

    async def output(self) -> AsyncIterator[OutputChunk]:
        return
        yield

    async def ending(self) -> Ending:
        return Ending()


async def test_a_sandbox_that_was_killed_in_its_proof_is_proven_again():
    await probe.prove(Breaking(1), policy.load())  # type: ignore[arg-type]  # the seam is start()


async def test_one_that_breaks_each_time_does_not_hold():
    with pytest.raises(NotReady, match="breaking can't make a sandbox"):
        await probe.prove(Breaking(2), policy.load())  # type: ignore[arg-type]  # the seam is start()
