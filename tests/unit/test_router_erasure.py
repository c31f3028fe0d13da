"""An owner leaves the router: its ledger, journal, cache and budgets; what was used stays, as nobody's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from loupe.router.v1.router_pb2 import Completion, ErasedAsks, Switches, UsageGroup
from loupe.type.v1.access_pb2 import Role
from servers.kit import identity
from servers.kit.database import transaction
from servers.kit.errors import BudgetExhausted, StorageUnavailable
from servers.kit.identity import Caller
from servers.router import erasure as erasure_module
from servers.router.cache import AnswerCache
from servers.router.journal import LedgerRow
from servers.router.tables import ASKS
from tests.fake_models import BEGUN, HELLO, Asked, fake_models, raw, whole
from tests.routing import Routing, ask, provider, routing

ANN = "ann-of-the-tests@example.org"
JOB = "job_anns_own_chart"
BUDGETS = [
    {"name": "everybody", "scope": "all", "limit_usd": "1"},
    {"name": "owner", "scope": "key", "limit_usd": "1"},
    {"name": "job", "scope": "job", "limit_usd": "1"},
    {"name": "model", "scope": "model", "model": "m", "limit_usd": "1"},
]


def act_as(owner: str, request_id: str = "req_of_anns_browser") -> None:
    identity.act_for(Caller(owner, Role.ROLE_ANALYST), request_id=request_id)


async def proofs(it: Routing, owner: str = ANN) -> list[ErasedAsks]:
    return await it.ledger.erased(owner, "", 10)


async def spent(it: Routing, job_id: str = "") -> dict[str, str]:
    return {budget.name: budget.spent_usd for budget in await it.budgets.list_for(it.payers.of_call(job_id))}


async def rows(it: Routing) -> Sequence[Any]:
    await it.ledger.flush()
    async with transaction(it.ledger._engine) as connection:
        return (await connection.execute(select(ASKS).order_by(ASKS.c.start_time_ms, ASKS.c.number))).all()


def row(number: int) -> LedgerRow:
    """An ask of hers as `fake_models` answers it."""
    names: dict[str, Any] = dict.fromkeys(("service", "asked_for", "provider", "upstream_model", "revision", "arm"), "")
    return LedgerRow(
        call_id=f"call_{number}",
        number=1,
        owner=ANN,
        job_id=f"{JOB}_{number}",
        request_id=f"req_of_anns_browser_{number}",
        model="m",
        is_shadow=False,
        is_cache_hit=False,
        outcome="COMPLETE",
        input_tokens=10,
        output_tokens=3,
        cached_input_tokens=0,
        is_estimated=False,
        gpu_s=0.0,
        cost_nano_usd=16_000,
        duration_ms=1,
        start_time_ms=1_700_000_000_000 + number,
        **names,
    )


def traces(home: Path, *words: str) -> list[str]:
    """The files under a folder that hold one of the words, with the word."""
    files = [path for path in home.rglob("*") if path.is_file()]
    return [f"{word} in {path.name}" for path in files for word in words if word.encode() in path.read_bytes()]


async def test_who_is_erased_is_in_no_file_and_every_sum_is_as_it_was(home):
    async with fake_models() as fake, routing(home, provider("a", fake.base_url), budgets=BUDGETS) as it:
        for number in range(297):
            it.ledger.record(row(number))
        act_as(ANN)
        for number in range(3):
            await it.complete(job_id=f"{JOB}_{number}")
        act_as("ben", "req_of_ben")
        await it.complete(job_id="job_of_ben")
        by_model = {"group_by": UsageGroup.USAGE_GROUP_MODEL}
        bens = await it.usage(**by_model)
        before = [tuple(row)[:2] + tuple(row)[6:] for row in await rows(it)]
        assert len(traces(home, ANN)) > 0
        assert await spent(it, "job_of_ben") == {
            "everybody": "0.004816000",
            "owner": "0.000016000",
            "job": "0.000016000",
            "model": "0.004816000",
        }
        await it.erasure.erase(ANN)
        assert traces(home, ANN, JOB, "req_of_anns_browser") == []
        assert len(traces(home, "req_of_ben")) > 0
        (proof,) = await proofs(it)
        assert proof.ask_count == 300
        after = await rows(it)
        # Amounts, models, times and calls are as they were; owner, job and request are gone.
        assert [tuple(row)[:2] + tuple(row)[6:] for row in after] == before
        assert [row.owner for row in after] == [""] * 300 + ["ben"]
        assert {(row.job_id, row.request_id) for row in after[:300]} == {("", "")}
        assert await it.usage(**by_model) == bens
        assert (await spent(it, "job_of_ben"))["everybody"] == "0.004816000"
        assert (await spent(it, "job_of_ben"))["model"] == "0.004816000"
        act_as(ANN)
        assert [row.call_count for row in await it.usage()] == [0]
        # Who is nobody now has nothing spent of their own.
        assert {name: usd for name, usd in (await spent(it, f"{JOB}_1")).items() if name in ("owner", "job")} == {
            "owner": "0.000000000",
            "job": "0.000000000",
        }
    async with routing(home, provider("a", "http://127.0.0.1:9/v1"), budgets=BUDGETS) as it:
        act_as("ben")
        assert (await spent(it))["everybody"] == "0.004816000"
        assert await proofs(it) == [proof]


async def test_an_erasure_is_in_batches_repeats_with_the_same_proof_and_adds_one_for_what_came_later(home, monkeypatch):
    monkeypatch.setattr(erasure_module, "_BATCH", 2)
    async with fake_models() as fake, routing(home, provider("a", fake.base_url)) as it:
        act_as(ANN)
        for _ in range(5):
            await it.complete()
        await it.erasure.erase(ANN)
        first = await proofs(it)
        assert [proof.ask_count for proof in first] == [5]
        await it.erasure.erase(ANN)
        assert await proofs(it) == first
        await it.complete()
        await it.erasure.erase(ANN)
        assert sorted(proof.ask_count for proof in await proofs(it)) == [1, 5]
        assert first[0] in await proofs(it)
        assert await proofs(it, "ben") == []


async def test_rows_that_wait_and_segments_that_were_left_are_erased_too(home):
    async with fake_models() as fake, routing(home, provider("a", fake.base_url)) as it:
        act_as(ANN)
        it.ledger._flush_s = 60  # nothing is carried by itself
        await it.complete()
        assert [row.owner for row in it.ledger.waiting] == [ANN]
        # As a flush leaves one that could not remove it, and a full disk a torn line.
        written = (home / "journal" / "1.jsonl").read_bytes()
        left = home / "journal" / "0.jsonl"
        left.write_bytes(written + f'{{"owner": "{ANN}", "numb'.encode())
        await it.erasure.erase(ANN)
        assert traces(home, ANN) == []
        assert [proof.ask_count for proof in await proofs(it)] == [1]
    # As a power cut may bring one back that was removed in its last seconds.
    (home / "journal" / "9.jsonl").write_bytes(written)
    async with routing(home) as it:
        assert [(row.owner, row.job_id, row.request_id) for row in await rows(it)] == [("", "", "")]
        assert traces(home, ANN) == []


async def test_calls_on_their_way_are_answered_and_do_not_bring_the_owner_back(home):
    go = asyncio.Event()

    async def late(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        await (raw(HELLO) if asked.body.get("stream") else whole())(asked, writer)

    route = {
        "name": "r",
        "targets": [{"provider": "a", "model": "m"}],
        "shadow": {"provider": "b", "model": "m", "share": 1},
    }
    async with (
        fake_models(late) as fake,
        fake_models(late) as other,
        routing(
            home, provider("a", fake.base_url), provider("b", other.base_url), routes=[route], budgets=BUDGETS
        ) as it,
    ):
        act_as(ANN)
        cached = Switches(cache=True)
        calls = [
            asyncio.create_task(it.complete(model="r", job_id=JOB, switches=cached)),
            asyncio.create_task(it.stream("Ho", model="r", job_id=JOB, switches=cached)),
        ]
        async with asyncio.timeout(20):
            while len(fake.asked) < 2:  # noqa: ASYNC110 - of another task
                await asyncio.sleep(0.01)
        await it.erasure.erase(ANN)
        assert await proofs(it) == []  # nothing was on record yet
        go.set()
        completion, streamed = await asyncio.gather(*calls)
        assert isinstance(completion, Completion) and completion.text == "Hello."
        assert isinstance(streamed, list) and streamed[-1].end.usage.cost_usd == "0.000016000"
        async with asyncio.timeout(20):
            while len(await rows(it)) < 4:  # noqa: ASYNC110 - with their shadows, which are tasks of their own
                await asyncio.sleep(0.01)
        assert {(row.owner, row.job_id, row.request_id) for row in await rows(it)} == {("", "", "")}
        assert sum(row.is_shadow for row in await rows(it)) == 2
        assert traces(home, ANN, JOB) == []
        # Nor are their answers kept, nor their accounts: those of everybody have it all.
        assert not (await it.complete(model="r", switches=cached)).decision.is_cache_hit
        (everybody, own, _) = [await spent(it)] and (await spent(it)).values()
        assert (everybody, own) == ("0.000080000", "0.000016000")


async def test_a_stream_that_is_on_record_stays_one_ask_and_is_nobodys_to_its_end(home):
    go = asyncio.Event()

    async def halting(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(BEGUN)
        await writer.drain()
        await go.wait()
        writer.write(HELLO[len(BEGUN) :])
        await writer.drain()

    async with fake_models(halting) as fake, routing(home, provider("a", fake.base_url)) as it:
        act_as(ANN)
        async with contextlib.aclosing(it.streams.stream(ask())) as stream:
            await anext(stream)
            assert [(row.owner, row.outcome) for row in await rows(it)] == [(ANN, "STARTED")]
            await it.erasure.erase(ANN)
            go.set()
            async for _ in stream:
                pass
        assert [(row.owner, row.outcome) for row in await rows(it)] == [("", "COMPLETE")]
        assert [proof.ask_count for proof in await proofs(it)] == [1]


async def test_another_owners_calls_in_work_count_against_their_budget_all_the_while(home):
    go = asyncio.Event()

    async def late(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        await whole()(asked, writer)

    budget = {"name": "few", "scope": "job", "limit_tokens": 9}
    async with fake_models(late) as fake, routing(home, provider("a", fake.base_url), budgets=[budget]) as it:
        act_as("ben")
        waiting = asyncio.create_task(it.complete(job_id="job_of_ben"))
        async with asyncio.timeout(20):
            await fake.came.wait()
        await it.erasure.erase(ANN)
        with pytest.raises(BudgetExhausted, match="taken by calls in work"):
            await it.complete(job_id="job_of_ben")
        go.set()
        await waiting
        with pytest.raises(BudgetExhausted, match="is spent"):
            await it.complete(job_id="job_of_ben")


async def test_an_account_that_is_read_while_its_owner_is_erased_is_kept_for_nobody(home):
    async with fake_models() as fake, routing(home, provider("a", fake.base_url), budgets=BUDGETS) as it:
        act_as(ANN)
        # Each waits for its accounts to be read, one after the other, when the erasure begins.
        asking = [asyncio.create_task(it.complete(job_id=f"{JOB}_{number}")) for number in range(5)]
        erasing = asyncio.create_task(it.erasure.erase(ANN))
        await asyncio.gather(*asking, erasing)
        assert {row.owner for row in await rows(it)} == {""}
        assert {(name, key) for name, key, _ in it.budgets._accounts} == {("everybody", ""), ("model", "m")}


async def test_a_journal_that_cannot_be_written_leaves_the_erasure_to_be_repeated(home, monkeypatch):
    def refuse() -> list[Path]:
        raise StorageUnavailable("the ledger's journal can't be written: No space left on device")

    async with fake_models() as fake, routing(home, provider("a", fake.base_url)) as it:
        act_as(ANN)
        await it.complete()
        with monkeypatch.context() as patched:
            patched.setattr(it.ledger._journal, "begin", refuse)
            with pytest.raises(StorageUnavailable, match="No space left"):
                await it.erasure.erase(ANN)
        assert await proofs(it) == []
        await it.erasure.erase(ANN)
        assert [proof.ask_count for proof in await proofs(it)] == [1]


def test_the_cache_drops_an_owners_answers_and_no_others():
    cache = AnswerCache(2**20, 60)
    for owner in (ANN, "ben"):
        for number in range(3):
            cache.put(f"{owner}{number}".encode(), owner, Completion(text="Hello."))
    size = cache._size
    cache.put(b"nobody's", "", Completion(text="Hello."))
    cache.forget(ANN)
    cache.forget("cid")
    assert cache.get(f"{ANN}0".encode(), Completion) is None
    kept = cache.get(b"ben0", Completion)
    assert kept is not None and kept.text == "Hello."
    assert cache._size * 2 == size
    assert list(cache._keys_of) == ["ben"]
    small = AnswerCache(cache._size // 3 * 2, 60)  # of two answers: the oldest goes, with its owner's last
    for owner in ("ann", "ben", "cid"):
        small.put(owner.encode(), owner, Completion(text="Hello."))
    assert list(small._keys_of) == ["ben", "cid"]
