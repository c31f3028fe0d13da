"""Cleanup that is begun comes to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from sandbox.lifetimes import Relays, to_the_end
from servers.kit.errors import DeadlineExceeded


async def test_cleanup_ends_though_its_caller_is_cancelled_twice():
    going, may_end = asyncio.Event(), asyncio.Event()
    done: list[str] = []

    async def clean() -> None:
        going.set()
        await may_end.wait()
        done.append("clean")

    caller = asyncio.create_task(to_the_end(clean()))
    await going.wait()
    for _ in range(2):
        caller.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert not caller.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert done == ["clean"]


async def test_the_works_own_failure_is_raised():
    async def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await to_the_end(fail())


async def test_a_call_that_nobody_reads_is_cleaned_up_after_and_says_so_when_it_is_read_again():
    closed = asyncio.Event()

    async def items() -> AsyncGenerator[int, None]:
        try:
            for number in range(1000):
                yield number
        finally:
            closed.set()

    read: list[int] = []
    async with asyncio.timeout(10):
        with pytest.raises(DeadlineExceeded, match="nothing of this call was read"):
            async for item in Relays[int](read_within_s=0.01).relay(items(), lambda _: None):
                read.append(item)
                await closed.wait()
    assert read == list(range(len(read)))
    assert len(read) < 20


async def test_a_call_that_is_read_gets_everything_and_then_the_failure():
    async def items() -> AsyncGenerator[int, None]:
        for number in range(100):
            yield number
        raise ValueError("broken")

    read: list[int] = []
    with pytest.raises(ValueError, match="broken"):
        async for item in Relays[int]().relay(items(), lambda _: None):
            read.append(item)
    assert read == list(range(100))
