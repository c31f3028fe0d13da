"""Servers and workers whose clocks are wrong: with records that they share, the database's clock counts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from loupe.orchestrator.v1.orchestrator_pb2 import JobSpec
from servers.kit.database import open_database
from servers.orchestrator import claims as claims_module
from servers.orchestrator import journal as journal_module
from servers.orchestrator.claims import Claims
from servers.orchestrator.journal import Journal
from servers.orchestrator.tails import Tails
from tests.postgres import schema

MIGRATIONS = Path(journal_module.__file__).parent / "migrations"


@pytest.fixture(params=[-3, 3], ids=["three hours behind", "three hours ahead"])
def jump(request, monkeypatch):
    """Moves this process's clock, called with nothing."""
    real = journal_module.utc_now

    def move() -> None:
        for module in (journal_module, claims_module):
            monkeypatch.setattr(module, "utc_now", lambda: real() + timedelta(hours=request.param))

    return move


async def test_a_job_of_a_server_whose_clock_is_wrong_has_its_whole_time(postgres, jump):
    jump()
    async with open_database(schema(postgres.new_database(), "orchestrator"), MIGRATIONS) as engine:
        journal = Journal(engine, Tails())
        await journal.create("ann", "", JobSpec(question="What?"), admit=lambda _: None, deadline_s=100)
        claims = Claims(engine, "a worker", lease_s=5, default_deadline_s=100)
        assert await claims.overdue(10) == []
        claim = await claims.next()
        assert claim is not None
        assert 50 < claim.left_s <= 100


async def test_a_job_stays_with_its_worker_when_clocks_jump(postgres, jump):
    async with open_database(schema(postgres.new_database(), "orchestrator"), MIGRATIONS) as engine:
        journal = Journal(engine, Tails())
        await journal.create("ann", "", JobSpec(question="What?"), admit=lambda _: None, deadline_s=100)
        mine = Claims(engine, "a worker", lease_s=60, default_deadline_s=100)
        claim = await mine.next()
        assert claim is not None
        jump()
        assert await mine.renew([claim]) == set()
        assert await Claims(engine, "another", lease_s=60, default_deadline_s=100).next() is None
        assert await mine.overdue(10) == []


async def test_the_one_process_of_a_file_takes_a_job_up_again_whatever_its_clock_says(tmp_path, jump):
    async with open_database(tmp_path / "orchestrator.sqlite", MIGRATIONS) as engine:
        journal = Journal(engine, Tails())
        await journal.create("ann", "", JobSpec(question="What?"), admit=lambda _: None, deadline_s=100)
        claims = Claims(engine, "a worker", lease_s=5, default_deadline_s=100)
        assert await claims.next() is not None
        jump()
        await claims.take_over()
        assert await claims.next() is not None
