"""Whom the router asks, how often, and what it does when they are busy or ill."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest
from PIL import Image

from loupe.router.v1 import router_pb2
from loupe.router.v1.router_pb2 import (
    BreakerState,
    JsonSchema,
    Message,
    MessageRole,
    Part,
    ResponseFormat,
    RoutePolicy,
    Switches,
    Tool,
    UsageGroup,
)
from servers.kit.errors import NoCapableModel, NotFound, Overloaded, UpstreamUnavailable
from servers.router import failures
from servers.router.breaker import Breaker
from servers.router.failures import retry_after_s
from servers.router.retry_budget import RetryBudget
from tests.fake_models import BEGUN, HELLO, fake_models, raw, refusal, silence, whole
from tests.routing import ask, provider, routing


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30)).save(buffer, "PNG")
    return buffer.getvalue()


async def test_the_same_provider_is_asked_again_when_nobody_else_can_be(home):
    async with fake_models(refusal(503), whole()) as fake, routing(home, provider("a", fake.base_url)) as it:
        made = await it.complete()
        assert made.text == "Hello."
        assert [one.HasField("failure") for one in made.decision.attempts] == [True, False]


async def test_a_call_without_retries_asks_once(home):
    async with fake_models(refusal(503), whole()) as fake, routing(home, provider("a", fake.base_url)) as it:
        with pytest.raises(UpstreamUnavailable):
            await it.complete(switches=Switches(retry=False))
        assert len(fake.asked) == 1


async def test_a_call_without_failover_asks_one_provider_only(home):
    async with (
        fake_models(refusal(500)) as one,
        fake_models() as other,
        routing(home, provider("a", one.base_url), provider("b", other.base_url)) as it,
    ):
        with pytest.raises(UpstreamUnavailable):
            await it.complete(switches=Switches(failover=False, retry=False))
        assert other.asked == []


async def test_a_busy_provider_is_left_alone_for_as_long_as_it_says(home):
    async with fake_models(refusal(429, "no", "retry-after: 30")) as one, fake_models() as other:
        both = provider("a", one.base_url), provider("b", other.base_url)
        async with routing(home, *both) as it:
            assert (await it.complete()).decision.provider == "b"
            assert (await it.complete()).decision.provider == "b"
            assert len(one.asked) == 1


async def test_who_is_told_that_all_are_busy_is_told_for_how_long(home):
    async with (
        fake_models(refusal(429, "no", "retry-after: 30")) as fake,
        routing(home, provider("a", fake.base_url)) as it,
    ):
        with pytest.raises(Overloaded) as caught:
            await it.complete()
        assert caught.value.retry_after_s == pytest.approx(30, abs=1)


async def test_a_short_retry_after_is_waited_for(home):
    async with (
        fake_models(refusal(429, "no", "retry-after: 0.2"), whole()) as fake,
        routing(home, provider("a", fake.base_url)) as it,
    ):
        began = asyncio.get_running_loop().time()
        assert (await it.complete()).text == "Hello."
        assert asyncio.get_running_loop().time() - began >= 0.2


async def test_who_is_not_there_is_asked_again_twice_and_an_open_breaker_is_not_waited_for(home, monkeypatch):
    monkeypatch.setattr("servers.router.dispatch.random.uniform", lambda *_: 0.0)  # backoffs take no time
    async with fake_models(raw(b"")) as gone, routing(home, provider("a", gone.base_url)) as it:
        for asked in (3, 5, 5):  # five failures in a row open the breaker
            with pytest.raises(UpstreamUnavailable) as caught:
                await it.complete()
            assert len(gone.asked) == asked
        assert caught.value.retry_after_s == pytest.approx(5, abs=1)
    async with fake_models(refusal(503)) as broken, routing(home, provider("a", broken.base_url)) as it:
        with pytest.raises(UpstreamUnavailable):
            await it.complete()
        assert len(broken.asked) == 5  # whoever is there is given more time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3", 3.0), ("0.5", 0.5), ("-4", 0.0), ("99999", 3600.0), ("nan", None), ("soon", None), ("", None)],
)
def test_retry_after_is_read_as_written(text, seconds):
    assert retry_after_s({"retry-after": text}) == seconds


def test_retry_after_may_be_a_date():
    assert retry_after_s({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0


async def test_a_storm_is_not_fed_by_retries(home):
    calls = 200
    async with (
        fake_models(refusal(503)) as fake,
        # The breaker is kept out of it: the budget must do alone.
        routing(home, provider("a", fake.base_url, breaker_failures=10**6)) as it,
    ):

        async def call():
            with pytest.raises(UpstreamUnavailable):
                await it.complete()

        for _ in range(calls // 20):
            await asyncio.gather(*[call() for _ in range(20)])
        assert calls < len(fake.asked) <= calls * 1.1 + 5


def test_the_budget_of_retries_is_a_share_of_calls():
    budget = RetryBudget(0.1)
    assert [budget.spend() for _ in range(6)] == [True] * 5 + [False]
    for _ in range(1000):
        budget.earn()
    assert sum(budget.spend() for _ in range(1000)) == 50
    assert not RetryBudget(0.0).spend()


def test_a_breaker_opens_waits_and_lets_one_trial_through():
    now = 0.0
    breaker = Breaker(3, 5.0, lambda: now)
    for _ in range(2):
        breaker.failed()
    breaker.succeeded()
    for _ in range(3):
        assert breaker.admits()
        breaker.failed()
    assert breaker.state == BreakerState.BREAKER_STATE_OPEN
    assert not breaker.admits()
    now = 5.0
    assert breaker.state == BreakerState.BREAKER_STATE_HALF_OPEN
    assert [breaker.admits(), breaker.admits()] == [True, False]
    breaker.failed()
    now = 14.9
    assert not breaker.admits()  # the wait has doubled
    now = 15.0
    assert breaker.admits()
    breaker.succeeded()
    assert breaker.state == BreakerState.BREAKER_STATE_CLOSED
    assert [breaker.admits(), breaker.admits()] == [True, True]


def test_a_trial_that_says_nothing_is_no_verdict():
    now = 0.0
    breaker = Breaker(1, 5.0, lambda: now)
    breaker.failed()
    now = 5.0
    assert breaker.admits()
    breaker.passed_over()
    assert breaker.admits()


async def test_an_ill_provider_is_not_asked_while_its_breaker_is_open(home):
    async with fake_models(refusal(500)) as one, fake_models() as other:
        ill = provider("a", one.base_url, breaker_failures=2, breaker_open_s=60)
        async with routing(home, ill, provider("b", other.base_url)) as it:
            for _ in range(4):
                assert (await it.complete()).decision.provider == "b"
            assert len(one.asked) == 2
            assert it.fleet.models[0].at.breaker.state == BreakerState.BREAKER_STATE_OPEN
            made = await it.complete()
            assert getattr(made.decision.attempts[0].failure, "class") == failures.CLOSED


async def test_a_request_that_is_wrong_does_not_open_the_breaker(home):
    async with fake_models(refusal(400)) as fake, routing(home, provider("a", fake.base_url, breaker_failures=1)) as it:
        for _ in range(3):
            with pytest.raises(Exception, match="HTTP 400"):
                await it.complete()
        assert len(fake.asked) == 3


async def test_a_full_queue_answers_overloaded_with_a_time_to_come_again(home):
    async with (
        fake_models(silence()) as fake,
        routing(home, provider("a", fake.base_url, max_concurrent=1, queue_size=1)) as it,
    ):
        first, second = (asyncio.create_task(it.complete()) for _ in range(2))
        await asyncio.wait_for(fake.came.wait(), 5)
        with pytest.raises(Overloaded) as caught:
            await it.complete()
        assert caught.value.retry_after_s == 1.0
        for task in (first, second):
            task.cancel()
        await asyncio.gather(first, second, return_exceptions=True)


async def test_cancelling_a_call_hangs_up_on_the_provider_and_is_on_record(home):
    async with fake_models(silence(BEGUN)) as fake, routing(home, provider("a", fake.base_url)) as it:
        heard = asyncio.Event()

        async def listen():
            async for _ in it.streams.stream(ask("four words in all")):
                heard.set()

        task = asyncio.create_task(listen())
        await asyncio.wait_for(heard.wait(), 5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(fake.gone.wait(), 5)
        (row,) = await it.usage()
        assert row.failed_attempt_count == 1
        assert row.is_estimated and row.input_tokens > 0


async def test_a_hedge_takes_whoever_answers_first_and_accounts_for_both(home):
    async with fake_models(silence()) as slow, fake_models(whole("Quick.")) as quick:
        sections = {"defaults": {"hedge": True, "hedge_after_s": 0.05}}
        async with routing(home, provider("a", slow.base_url), provider("b", quick.base_url), **sections) as it:
            made = await it.complete()
            assert (made.text, made.decision.provider) == ("Quick.", "b")
            assert [one.is_hedge for one in made.decision.attempts] == [False, True]
            await asyncio.wait_for(slow.gone.wait(), 5)
            (row,) = await it.usage()
            assert (row.call_count, row.attempt_count, row.failed_attempt_count) == (1, 2, 1)


async def test_nothing_is_hedged_unless_asked_for(home):
    async with fake_models(silence()) as slow, fake_models() as quick:
        slow_section = provider("a", slow.base_url, first_token_timeout_s=0.3)
        sections = {"defaults": {"hedge_after_s": 0.01}}
        async with routing(home, slow_section, provider("b", quick.base_url), **sections) as it:
            made = await it.complete()
            assert [one.is_hedge for one in made.decision.attempts] == [False, False]


def _models(**more):
    return {"name": "m", "input_usd_per_mtok": "1", "output_usd_per_mtok": "2"} | more


@pytest.mark.parametrize(
    ("lacks", "request_", "said"),
    [
        ({}, {"image": True}, "takes no images"),
        ({"vision": True, "max_image_pixels": 100}, {"image": True}, "an image has 1200 px, it takes 100"),
        ({}, {"schema": True}, "takes no JSON schema"),
        ({}, {"tools": True}, "takes no tools"),
        ({"serves": "embeddings"}, {}, "it serves embeddings"),
    ],
)
async def test_who_can_not_is_not_asked_and_told_why(home, lacks, request_, said):
    more: dict[str, Any] = {}
    if "image" in request_:
        parts = [Part(image=router_pb2.Image(content=png()))]
        more["messages"] = [Message(role=MessageRole.MESSAGE_ROLE_USER, parts=parts)]
    if "schema" in request_:
        more["response_format"] = ResponseFormat(json_schema=JsonSchema(name="x", schema_json="{}"))
    if "tools" in request_:
        more["tools"] = [Tool(name="look")]
    async with fake_models() as fake, fake_models() as able:
        unable = provider("a", fake.base_url, _models(**lacks))
        async with routing(home, unable) as it:
            with pytest.raises(NoCapableModel, match=said):
                await it.complete(**more)
        can = provider("b", able.base_url, _models(vision=True, json_schema=True, tools=True))
        able.says(whole("{}"))
        async with routing(home, unable, can) as it:
            made = await it.complete(**more)
            assert made.decision.provider == "b"
            assert said in made.decision.reasons[0]
        assert fake.asked == []


async def test_a_name_nobody_has_is_not_found(home):
    async with routing(home) as it:
        with pytest.raises(NotFound, match="no file of providers"):
            await it.complete(model="gpt")


def _route(policy, **more):
    targets = [{"provider": "a", "model": "m"}, {"provider": "b", "model": "m"}]
    return {"routes": [{"name": "best", "policy": policy, "targets": targets} | more]}


async def test_the_cheapest_the_fastest_and_the_best_come_first(home):
    quality = home / "quality.json"
    quality.write_text('{"a/m": {"bar": 0.9, "pie": 0.5}, "b/m": {"bar": 0.8, "pie": 0.95}}')
    async with fake_models() as one, fake_models() as other:
        dear, cheap = _models(), _models(input_usd_per_mtok="0.1", output_usd_per_mtok="0.2")
        both = provider("a", one.base_url, dear), provider("b", other.base_url, cheap)
        async with routing(home, *both, **_route("price")) as it:
            made = await it.complete(model="best")
            assert (made.decision.provider, made.decision.policy) == ("b", RoutePolicy.ROUTE_POLICY_PRICE)
        async with routing(home, *both, **_route("latency")) as it:
            it.fleet.models[0].measured(0.5)
            it.fleet.models[1].measured(0.1)
            assert (await it.complete(model="best")).decision.provider == "b"
        async with routing(home, *both, **_route("quality"), quality_file=quality) as it:
            assert (await it.complete(model="best", figure_kind="bar")).decision.provider == "a"
            made = await it.complete(model="best", figure_kind="pie")
            assert made.decision.provider == "b"
            assert made.decision.reasons[0] == "b/m: fidelity 0.950 for pie"


async def test_a_rule_chooses_by_what_the_request_is(home):
    async with fake_models() as one, fake_models() as other:
        section = _route("rule")
        section["routes"][0]["targets"][0]["when"] = {"figure_kinds": ["bar"]}
        async with routing(home, provider("a", one.base_url), provider("b", other.base_url), **section) as it:
            assert (await it.complete(model="best", figure_kind="bar")).decision.provider == "a"
            assert (await it.complete(model="best", figure_kind="pie")).decision.provider == "b"


async def test_a_split_keeps_a_job_on_one_side_and_shows_in_the_ledger(home):
    async with fake_models() as one, fake_models() as other:
        section = _route("split")
        section["routes"][0]["targets"][0] |= {"arm": "old", "weight": 3}
        section["routes"][0]["targets"][1] |= {"arm": "new", "weight": 1}
        async with routing(home, provider("a", one.base_url), provider("b", other.base_url), **section) as it:
            for job in range(40):
                arms = {(await it.complete(model="best", job_id=f"job_{job}")).decision.arm for _ in range(2)}
                assert len(arms) == 1
            rows = {row.arm: row.call_count for row in await it.usage(group_by=UsageGroup.USAGE_GROUP_MODEL)}
            # Which jobs fall where is fixed by their names.
            assert rows == {"old": 62, "new": 18}


async def test_a_shadow_is_asked_too_and_answers_nobody(home):
    async with fake_models() as one, fake_models(whole("Boo.")) as other:
        section = _route("rule", shadow={"provider": "b", "model": "m", "share": 1.0})
        section["routes"][0]["targets"].pop()
        async with routing(home, provider("a", one.base_url), provider("b", other.base_url), **section) as it:
            assert (await it.complete(model="best")).text == "Hello."
            await asyncio.gather(*it.shadows._running)
            rows = await it.usage(group_by=UsageGroup.USAGE_GROUP_MODEL)
            shadows = {row.provider: row.is_shadow for row in rows}
            assert shadows == {"a": False, "b": True}
            (whole_sum,) = await it.usage()
            assert (whole_sum.call_count, whole_sum.attempt_count) == (1, 2)


async def test_a_stream_that_ends_well_is_whole(home):
    async with fake_models(raw(HELLO)) as fake, routing(home, provider("a", fake.base_url)) as it:
        *pieces, last = await it.stream()
        assert [one.delta.text for one in pieces] == ["Hel", "lo."]
        assert fake.asked[0].body["stream_options"] == {"include_usage": True}
        assert last.end.usage.cost_usd == "0.000016000"
