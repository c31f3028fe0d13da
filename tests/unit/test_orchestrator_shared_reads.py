"""Followers of one job share reads of its log, and none misses a step for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from loupe.orchestrator.v1.orchestrator_pb2 import Step
from servers.orchestrator.shared_reads import SharedReads
from servers.orchestrator.tails import Tails


class SlowJournal:
    """Answers with what was stored when it was asked, when it is let."""

    def __init__(self) -> None:
        self.stored = [Step(sequence=1)]
        self.leave = asyncio.Event()
        self.read_count = 0

    async def steps(self, job_id: str, after_sequence: int, limit: int) -> list[Step]:
        self.read_count += 1
        found = self.stored[after_sequence:][:limit]
        await self.leave.wait()
        return found


@pytest.fixture(name="journal")
def _journal() -> SlowJournal:
    return SlowJournal()


@pytest.fixture(name="tails")
def _tails() -> Tails:
    return Tails()


@pytest.fixture(name="reads")
def _reads(journal: Any, tails: Tails) -> SharedReads:
    return SharedReads(journal, tails)


def _ask(reads: SharedReads, after_sequence: int = 0) -> asyncio.Task[Any]:
    return asyncio.create_task(reads.steps("job", after_sequence, 10))


async def _begun() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_followers_who_ask_at_the_same_time_share_one_read(journal, tails, reads):
    with tails.follow("job"):
        asking = [_ask(reads) for _ in range(1000)]
        await _begun()
        journal.leave.set()
        answers = await asyncio.gather(*asking)
    assert [[step.sequence for step in steps] for steps in answers] == [[1]] * 1000
    assert journal.read_count == 1


async def test_who_asks_after_news_gets_a_read_that_began_after_them(journal, tails, reads):
    with tails.follow("job"):
        before = _ask(reads)
        await _begun()
        journal.stored.append(Step(sequence=2))
        tails.tell("job")
        after = _ask(reads)
        await _begun()
        journal.leave.set()
        assert [step.sequence for step in await before] == [1]
        assert [step.sequence for step in await after] == [1, 2]


async def test_a_read_left_behind_by_an_earlier_following_is_not_shared(journal, tails, reads):
    with tails.follow("job"):
        before = _ask(reads)
        await _begun()
    journal.stored.append(Step(sequence=2))
    tails.tell("job")
    with tails.follow("job"):
        after = _ask(reads)
        await _begun()
        journal.leave.set()
        assert [step.sequence for step in await after] == [1, 2]
    await before


async def test_followers_at_other_places_of_the_log_read_for_themselves(journal, tails, reads):
    journal.stored.append(Step(sequence=2))
    with tails.follow("job"):
        first, second = _ask(reads), _ask(reads, after_sequence=1)
        await _begun()
        journal.leave.set()
        assert [step.sequence for step in await first] == [1, 2]
        assert [step.sequence for step in await second] == [2]
    assert journal.read_count == 2


async def test_a_follower_who_leaves_ends_nobody_elses_read(journal, tails, reads):
    with tails.follow("job"):
        leaving, staying = _ask(reads), _ask(reads)
        await _begun()
        leaving.cancel()
        await _begun()
        journal.leave.set()
        assert [step.sequence for step in await staying] == [1]
    assert leaving.cancelled()
    assert journal.read_count == 1
