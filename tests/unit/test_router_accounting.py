"""The ledger, budgets, the cache, fitting and the configuration."""

from __future__ import annotations

import asyncio
import json
import socket
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError
from tokenizers import Tokenizer, models, pre_tokenizers

from loupe.router.v1.router_pb2 import (
    BudgetScope,
    CompleteRequest,
    EmbedRequest,
    Fitting,
    Message,
    MessageRole,
    Part,
    RouteDecision,
    Sampling,
    Switches,
    Usage,
    UsageGroup,
)
from loupe.type.v1.access_pb2 import Role
from servers.kit import identity
from servers.kit.errors import BudgetExhausted, ContextTooLong, NotReady, UpstreamUnavailable
from servers.kit.identity import Caller
from servers.kit.wire_json import to_object
from servers.router import configuration, fitting
from servers.router.configuration import Configuration, ModelSection
from servers.router.http1.connections import addresses_of
from servers.router.journal import Journal, LedgerRow
from servers.router.locality import is_local_address, is_local_host
from servers.router.openai.answers import decision_object
from servers.router.prices import Prices, usd
from servers.router.tokens import Estimate, OwnTokenizer
from tests.fake_models import BEGUN, HELLO, event, fake_models, http, in_two, raw, refusal, stream, whole
from tests.routing import provider, routing


async def test_the_ledger_sums_by_call_job_key_and_model(home):
    async with fake_models() as fake, routing(home, provider("a", fake.base_url)) as it:
        first = await it.complete(job_id="job_1")
        await it.complete(job_id="job_2")
        await it.complete(job_id="job_2")
        (total,) = await it.usage()
        assert (total.call_count, total.input_tokens, total.output_tokens, total.cost_usd) == (3, 30, 9, "0.000048000")
        jobs = {row.job_id: row.call_count for row in await it.usage(group_by=UsageGroup.USAGE_GROUP_JOB)}
        assert jobs == {"job_1": 1, "job_2": 2}
        (key,) = await it.usage(group_by=UsageGroup.USAGE_GROUP_KEY)
        assert (key.owner, key.call_count) == ("ann", 3)
        (model,) = await it.usage(group_by=UsageGroup.USAGE_GROUP_MODEL)
        assert (model.provider, model.model) == ("a", "m")
        (one,) = await it.usage(group_by=UsageGroup.USAGE_GROUP_CALL, call_id=first.call_id)
        assert (one.job_id, one.cost_usd) == ("job_1", first.usage.cost_usd)


def row(call_id: str, outcome: str = "COMPLETE") -> LedgerRow:
    names: dict[str, Any] = dict.fromkeys(
        ("service", "job_id", "request_id", "asked_for", "provider", "upstream_model"), "x"
    )
    return LedgerRow(
        call_id=call_id,
        number=1,
        owner="ann",
        model="m",
        revision="",
        arm="",
        is_shadow=False,
        is_cache_hit=False,
        outcome=outcome,
        input_tokens=7,
        output_tokens=2,
        cached_input_tokens=0,
        is_estimated=False,
        gpu_s=0.5,
        cost_nano_usd=11,
        duration_ms=3,
        start_time_ms=1_700_000_000_000,
        **names,
    )


async def test_what_a_killed_process_had_only_in_its_journal_is_taken_in_at_the_next_start(home):
    journal = Journal(home / "journal")
    journal.open()
    journal.append(row("call_1"))
    journal.append(row("call_2", "STARTED"))
    journal.begin()  # a second segment
    journal.append(row("call_1"))  # the same again, as after a flush that was not tidied up
    journal.append(row("call_3", "STARTED"))
    journal.append(row("call_3"))
    journal.close()
    with (home / "journal" / "2.jsonl").open("ab") as torn:
        torn.write(b'{"call_id": "call_4", "numb')
    for _ in range(2):  # and once more, to the same sums
        async with routing(home) as it:
            (total,) = await it.usage()
            assert (total.call_count, total.input_tokens, total.cost_usd, total.gpu_s) == (3, 21, "0.000000033", 1.5)
            assert total.failed_attempt_count == 1  # the stream that was interrupted
            assert len(it.ledger._journal.segments()) == 1


async def test_use_that_the_provider_does_not_tell_is_counted_here_and_said_to_be(home):
    silent = raw(stream(event({"choices": [{"delta": {"content": "abc"}, "finish_reason": "stop"}]})))
    async with fake_models(silent) as fake, routing(home, provider("a", fake.base_url)) as it:
        *_, last = await it.stream("Hi")
        # One letter counts half: 8 for the message and 1 for "Hi"; 2 for "abc".
        assert (last.end.usage.input_tokens, last.end.usage.output_tokens) == (9, 2)
        assert last.end.usage.is_estimated


def test_money_is_exact():
    model = ModelSection(
        name="m",
        input_usd_per_mtok=Decimal("0.15"),
        output_usd_per_mtok=Decimal("0.601"),
        cached_input_usd_per_mtok=Decimal("0.075"),
    )
    used = Usage(input_tokens=1_000_003, output_tokens=7, cached_input_tokens=3)
    assert Prices(model).of(used) == 150_000_000 + 3 * 75 + 7 * 601
    gpu = ModelSection(name="m", gpu_usd_per_hour=Decimal("3.6"))
    assert Prices(gpu).of(Usage(gpu_s=0.25)) == 250_000
    assert usd(150_004_432) == "0.150004432"
    assert usd(12 * 10**9 + 5) == "12.000000005"
    with pytest.raises(ValidationError, match="more than 3 decimals"):
        ModelSection(name="m", input_usd_per_mtok=Decimal("0.0001"))


@pytest.mark.parametrize(("scope", "spends"), [("all", {}), ("key", {}), ("job", {"job_id": "job_1"}), ("model", {})])
async def test_a_hard_budget_stops_within_one_call(home, scope, spends):
    # A call costs 16 millionths of a dollar: the third goes over, the fourth is refused.
    budget = {"name": "small", "scope": scope, "limit_usd": "0.000040"} | ({"model": "m"} if scope == "model" else {})
    async with fake_models() as fake:
        for _ in range(2):  # a restart forgets nothing
            async with routing(home, provider("a", fake.base_url), budgets=[budget]) as it:
                answered = 0
                with pytest.raises(BudgetExhausted, match=r"small is spent: 0\.000048000 of 0\.000040000 USD"):
                    for _ in range(9):
                        await it.complete(**spends, sampling=Sampling(max_output_tokens=1))
                        answered += 1
                assert len(fake.asked) == 3
                (listed,) = await it.budgets.list_for(it.payers.of_call("job_1"))
                assert listed.is_exhausted
                assert listed.spent_usd == "0.000048000"
                if scope == "job":
                    assert (await it.complete(job_id="job_2")).text
                    assert len(fake.asked) == 4
                    return
        assert answered == 0


async def test_a_budget_of_tokens_counts_calls_in_work(home):
    budget = {"name": "few", "scope": "key", "limit_tokens": 40}
    async with fake_models() as fake, routing(home, provider("a", fake.base_url), budgets=[budget]) as it:
        results = await asyncio.gather(
            *[it.complete(sampling=Sampling(max_output_tokens=20)) for _ in range(10)], return_exceptions=True
        )
        refused = [result for result in results if isinstance(result, BudgetExhausted)]
        assert len(refused) == 8
        assert {result.retry_after_s for result in refused} == {1.0}
        assert (await it.budgets.list_for(it.payers.of_call("")))[0].scope == BudgetScope.BUDGET_SCOPE_KEY


async def test_an_equal_call_is_answered_from_the_cache_only_when_asked_for(home):
    cache = Switches(cache=True)
    async with fake_models() as fake, routing(home, provider("a", fake.base_url)) as it:
        await it.complete()
        assert not (await it.complete()).decision.is_cache_hit
        await it.complete(switches=cache)
        assert len(fake.asked) == 3
        hit = await it.complete(switches=cache)
        assert (hit.text, hit.decision.is_cache_hit, hit.usage.cost_usd) == ("Hello.", True, "0.000000000")
        *pieces, last = await it.stream(switches=cache)
        assert (pieces[0].delta.text, last.end.decision.is_cache_hit) == ("Hello.", True)
        assert len(fake.asked) == 3
        await it.complete("Ho", switches=cache)
        await it.complete(switches=cache, sampling=Sampling(temperature=0.5))
        assert len(fake.asked) == 5
        (total,) = await it.usage()
        assert (total.call_count, total.attempt_count, total.cache_hit_count) == (7, 5, 2)


async def test_a_cached_answer_is_nobody_elses(home):
    async with fake_models() as fake, routing(home, provider("a", fake.base_url)) as it:
        await it.complete(switches=Switches(cache=True))
        identity.act_for(Caller("bob", Role.ROLE_ANALYST))
        assert not (await it.complete(switches=Switches(cache=True))).decision.is_cache_hit


async def test_embeddings_are_on_record_too(home):
    vectors = [{"index": 1, "embedding": [0.5]}, {"index": 0, "embedding": [1.0]}]
    body = {"data": vectors, "usage": {"prompt_tokens": 4}}
    section = {"name": "e", "serves": "embeddings", "input_usd_per_mtok": "1"}
    async with (
        fake_models(raw(http(200, json.dumps(body).encode()))) as fake,
        routing(home, provider("a", fake.base_url, section)) as it,
    ):
        made = await it.router.embed(EmbedRequest(model="e", inputs=["x", "y"]))
        assert [list(one.values) for one in made.embeddings] == [[1.0], [0.5]]
        assert made.usage.cost_usd == "0.000004000"
        assert fake.asked[0].path == "/v1/embeddings"


def words(home):
    """A tokenizer of whole words, as a file."""
    vocabulary = {"[UNK]": 0} | {f"w{number}": number + 1 for number in range(100)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    path = home / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def chat(*texts: str, policy: Fitting.ValueType = Fitting.FITTING_UNSPECIFIED) -> CompleteRequest:
    roles = [MessageRole.MESSAGE_ROLE_SYSTEM] + [MessageRole.MESSAGE_ROLE_USER] * (len(texts) - 1)
    messages = [Message(role=role, parts=[Part(text=text)]) for role, text in zip(roles, texts, strict=True)]
    return CompleteRequest(model="m", messages=messages, fitting=policy, sampling=Sampling(max_output_tokens=10))


def test_a_prompt_is_counted_with_the_models_own_tokenizer_and_fitted_as_asked(home):
    counter = OwnTokenizer(words(home))
    model = ModelSection(name="m", context_tokens=40, tokens_per_message=1)
    long = " ".join(f"w{number}" for number in range(20))
    request = chat("w1 w2", long, long, "w3")
    assert counter.count(long) == 20
    with pytest.raises(ContextTooLong, match="has 47 tokens; m takes 40"):
        fitting.fit(request, model, counter)
    request.fitting = Fitting.FITTING_DROP_OLDEST
    fitted = fitting.fit(request, model, counter)
    assert [message.parts[0].text for message in fitted.request.messages] == ["w1 w2", long, "w3"]
    assert (fitted.left_out_messages, fitted.left_out_tokens) == (1, 21)
    short = fitting.fit(chat("w1", "w2"), model, counter)
    assert short.left_out_messages == 0
    cut = fitting.fit(chat("w1", " ".join([long] * 9), policy=Fitting.FITTING_CUT_MIDDLE), model, counter)
    text = cut.request.messages[-1].parts[0].text
    assert text.startswith("w0 w1") and text.endswith("w18 w19") and "left out" in text
    assert 2 + 1 + counter.count(text) <= 30


def test_by_an_estimate_alone_nothing_is_refused():
    model = ModelSection(name="m", context_tokens=20)
    assert fitting.fit(chat("x" * 100), model, Estimate()).left_out_messages == 0
    assert Estimate().count("ab 12é") == 2 + 2 + 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("providers = 3", "providers: Input should be a valid"),
        ("[[providers]]\nname = 'a'", "providers[0].kind: Field required"),
        ("locl_only = true", "locl_only: Extra inputs are not permitted"),
        (
            "[[providers]]\nname='a'\nkind='openai'\nbase_url='ftp://x'\nmodels=[{name='m'}]",
            "providers[0]: base_url 'ftp://x' is no http",
        ),
        (
            "[[providers]]\nname='a'\nkind='openai'\nbase_url='http://me:pw@127.0.0.1'\nmodels=[{name='m'}]",
            "keys go to api_key_env",
        ),
        (
            "[[providers]]\nname='a'\nkind='openai'\nbase_url='http://127.0.0.1'\nmodels=[{name='m', vison=true}]",
            "providers[0].models[0].vison: Extra inputs",
        ),
        ("[[routes]]\nname='r'\ntargets=[{provider='a', model='m'}]", "routes.r: no provider a has a model m"),
        ("[[budgets]]\nname='b'", "budgets[0]: neither limit_usd nor limit_tokens is set"),
        ("= 3", "is no TOML"),
    ],
)
def test_a_wrong_file_stops_the_start_and_names_its_field(home, text, said):
    path = home / "router.toml"
    path.write_text(text)
    with pytest.raises(NotReady) as caught:
        configuration.read(path)
    assert said in caught.value.message


def test_no_file_is_a_router_without_models(home):
    assert configuration.read(home / "none.toml") == Configuration()


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("10.1.2.3", True),
        ("192.168.0.9", True),
        ("::ffff:10.0.0.1", True),
        ("localhost", True),
        ("vllm", True),
        ("vllm.models.svc", True),
        ("gpu.local", True),
        ("api.openai.com", False),
        ("8.8.8.8", False),
        ("169.254.169.254", False),
        ("::ffff:8.8.8.8", False),
        ("2130706433", False),
        ("127.1", False),
        ("local.example.com", False),
        ("", False),
    ],
)
def test_local_is_this_machine_and_network(host, is_local):
    assert is_local_host(host) is is_local


def test_remote_providers_are_refused_unless_configured():
    remote = provider("far", "https://api.openai.com/v1")
    with pytest.raises(ValidationError, match="local_only"):
        Configuration.model_validate({"providers": [remote]})
    assert Configuration.model_validate({"providers": [remote], "local_only": False}).providers[0].name == "far"


async def test_a_local_name_that_points_outside_is_not_connected_to(home, monkeypatch):
    async def elsewhere(*_arguments, **_more):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 80))]

    async with routing(home, provider("a", "http://vllm/v1")) as it:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", elsewhere)
        with pytest.raises(OSError, match="local_only"):
            await addresses_of("vllm", 80, local_only=True)
        with pytest.raises(UpstreamUnavailable, match="no connection"):
            await it.complete(switches=Switches(retry=False))
    assert not is_local_address("93.184.216.34")


async def test_a_key_goes_to_its_own_provider_and_to_nobody_a_redirect_names(home, monkeypatch):
    monkeypatch.setenv("KEY_OF_A", "secret-a")
    async with fake_models() as thief:
        to_thief = raw(http(302, b"", f"location: http://127.0.0.1:{thief.port}/v1/chat/completions"))
        async with fake_models(to_thief) as fake, fake_models() as other:
            first = provider("a", fake.base_url, api_key_env="KEY_OF_A")
            async with routing(home, first, provider("b", other.base_url)) as it:
                await it.complete()
        assert fake.asked[0].headers["authorization"] == "Bearer secret-a"
        assert "authorization" not in other.asked[0].headers
        assert thief.asked == []


async def test_a_missing_key_stops_the_start_and_names_its_variable(home):
    with pytest.raises(NotReady, match=r"providers\.a\.api_key_env: the environment has no NO_SUCH_KEY"):
        async with routing(home, provider("a", "http://127.0.0.1:9/v1", api_key_env="NO_SUCH_KEY")):
            raise AssertionError


def test_the_decision_reads_the_same_on_both_surfaces():
    decision = RouteDecision(provider="a", model="m", reasons=["because"], left_out_tokens=3)
    decision.first_token.FromMilliseconds(12)
    attempt = decision.attempts.add(provider="a", model="m")
    attempt.duration.FromMilliseconds(12)
    attempt.failure.message = "HTTP 500"
    assert decision_object(decision) == to_object(decision)


async def test_every_kind_of_answer_leaves_one_record(home):
    async with (
        fake_models(refusal(500), whole(), raw(HELLO), in_two(BEGUN)) as fake,
        routing(home, provider("a", fake.base_url)) as it,
    ):
        await it.complete()
        await it.stream()
        await it.stream()
        (total,) = await it.usage()
        assert (total.call_count, total.attempt_count, total.failed_attempt_count) == (3, 4, 2)
        assert Decimal(total.cost_usd) > Decimal("0.000032")
