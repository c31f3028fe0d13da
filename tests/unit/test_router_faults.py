"""Every way in which a provider's bytes can go wrong, for whole answers and for streams."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from loupe.router.v1.router_pb2 import EndState, FailureClass, FinishReason, JsonObject, ResponseFormat, Switches
from servers.kit.errors import (
    ContextTooLong,
    InvalidField,
    LoupeError,
    Overloaded,
    PolicyRefused,
    UpstreamUnavailable,
)
from servers.router.tables import ASKS
from tests.fake_models import (
    BEGUN,
    CHUNKED_HEAD,
    DONE,
    HELLO,
    USAGE,
    chat,
    chunk,
    event,
    fake_models,
    http,
    in_two,
    piece,
    raw,
    refusal,
    silence,
    slowly,
    stream,
    whole,
)
from tests.routing import provider, routing

ONCE = Switches(retry=False)
GOOD = http(200, json.dumps(chat()).encode())
BODY_AT = GOOD.index(b"\r\n\r\n") + 4

# name: (answer, error, class in the ledger)
WHOLE_FAULTS = {
    "cut before the first byte": (raw(b""), UpstreamUnavailable, "UNREACHABLE"),
    "cut in the status line": (raw(GOOD[:7]), UpstreamUnavailable, "UNREACHABLE"),
    "cut in the headers": (raw(GOOD[: BODY_AT - 10]), UpstreamUnavailable, "UNREACHABLE"),
    "cut after the headers": (raw(GOOD[:BODY_AT]), UpstreamUnavailable, "MALFORMED"),
    "cut in the body": (raw(GOOD[: BODY_AT + 40]), UpstreamUnavailable, "MALFORMED"),
    "cut one byte short": (raw(GOOD[:-1]), UpstreamUnavailable, "MALFORMED"),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), UpstreamUnavailable, "MALFORMED"),
    "no JSON": (raw(http(200, b"<html>busy</html>")), UpstreamUnavailable, "MALFORMED"),
    "JSON of something else": (raw(http(200, b"[1, 2]")), UpstreamUnavailable, "MALFORMED"),
    "no choices": (raw(http(200, b'{"choices": []}')), UpstreamUnavailable, "MALFORMED"),
    "an empty answer": (whole(""), UpstreamUnavailable, "MALFORMED"),
    "a null answer": (whole(None), UpstreamUnavailable, "MALFORMED"),
    "no end to the answer": (whole("Hel", None), UpstreamUnavailable, "MALFORMED"),
    "an error in a 200": (
        raw(http(200, b'{"error": {"message": "boom", "code": 500}}')),
        UpstreamUnavailable,
        "SERVER",
    ),
    "busy in a 200": (raw(http(200, b'{"error": {"type": "rate_limit_error"}}')), Overloaded, "RATE"),
    "silence": (silence(), UpstreamUnavailable, "TIMEOUT"),
    "silence after the headers": (silence(GOOD[:BODY_AT]), UpstreamUnavailable, "TIMEOUT"),
    "silence in the body": (silence(GOOD[: BODY_AT + 40]), UpstreamUnavailable, "TIMEOUT"),
    "a slow drip": (slowly(GOOD, 0.02), UpstreamUnavailable, "TIMEOUT"),
    "429": (refusal(429), Overloaded, "RATE"),
    "529": (refusal(529), Overloaded, "RATE"),
    "500": (refusal(500), UpstreamUnavailable, "SERVER"),
    "503": (refusal(503), UpstreamUnavailable, "SERVER"),
    "504": (refusal(504), UpstreamUnavailable, "TIMEOUT"),
    "401": (refusal(401), UpstreamUnavailable, "AUTH"),
    "403": (refusal(403), UpstreamUnavailable, "AUTH"),
    "404": (refusal(404), UpstreamUnavailable, "UNREACHABLE"),
    "400": (refusal(400), InvalidField, "INVALID"),
    "400 for the context": (refusal(400, "maximum context length is 8 tokens"), ContextTooLong, "CONTEXT"),
    "400 for the policy": (refusal(400, code="content_filter"), PolicyRefused, "POLICY"),
    "a redirect": (raw(http(307, b"", "location: http://example.com/")), UpstreamUnavailable, "MALFORMED"),
    "an endless header": (raw(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100_000), UpstreamUnavailable, "MALFORMED"),
}
# name: (answer, error, class in the ledger)
FAULTS_BEFORE_A_TOKEN = {
    name: WHOLE_FAULTS[name]
    for name in WHOLE_FAULTS
    if name in ("429", "500", "401", "400", "400 for the context", "400 for the policy", "a redirect", "silence")
    or name in ("cut before the first byte", "cut in the headers", "no HTTP", "an error in a 200", "busy in a 200")
} | {
    "no event stream": (whole(), UpstreamUnavailable, "MALFORMED"),
    "cut after the headers": (raw(CHUNKED_HEAD), UpstreamUnavailable, "MALFORMED"),
    "cut in the first event": (raw(BEGUN[:-12]), UpstreamUnavailable, "MALFORMED"),
    "an end without a word": (raw(stream(DONE)), UpstreamUnavailable, "MALFORMED"),
    "an empty answer": (raw(stream(piece(finish="stop"), USAGE, DONE)), UpstreamUnavailable, "MALFORMED"),
    "an error as the first event": (raw(stream(event({"error": {"code": 503}}))), UpstreamUnavailable, "SERVER"),
    "busy as the first event": (raw(stream(event({"error": {"code": "429"}}))), Overloaded, "RATE"),
    "no JSON as the first event": (raw(stream(event(b"{nonsense"))), UpstreamUnavailable, "MALFORMED"),
    "a broken chunk": (raw(CHUNKED_HEAD + b"zz\r\nhello"), UpstreamUnavailable, "MALFORMED"),
    "only signs of life": (silence(CHUNKED_HEAD + chunk(b": wait\n\n" * 9)), UpstreamUnavailable, "TIMEOUT"),
    "a slow drip": (slowly(BEGUN, 0.02), UpstreamUnavailable, "TIMEOUT"),
}
# name: (answer, class)
FAULTS_AFTER_A_TOKEN = {
    "cut between events": (in_two(BEGUN), "MALFORMED"),
    "cut in an event": (in_two(BEGUN, chunk(piece("lo."))[:-15]), "MALFORMED"),
    "ended before the answer did": (raw(stream(piece("Hel"))), "MALFORMED"),
    "done before the answer was": (raw(stream(piece("Hel"), DONE)), "MALFORMED"),
    "a broken chunk": (in_two(BEGUN, b"zz\r\n"), "MALFORMED"),
    "no JSON": (raw(stream(piece("Hel"), event(b"{nonsense"), DONE)), "MALFORMED"),
    "silence": (silence(BEGUN), "STALL"),
    "silence within an event": (silence(BEGUN + chunk(piece("lo.")[:-5])), "STALL"),
    "a slow drip": (slowly(chunk(b": wait\n\n") * 60, 0.02, BEGUN), "STALL"),
    "an error": (raw(stream(piece("Hel"), event({"error": {"message": "boom"}}))), "SERVER"),
    "429": (raw(stream(piece("Hel"), event({"error": {"message": "slow down", "code": 429}}))), "RATE"),
    "the policy": (raw(stream(piece("Hel"), event({"error": {"code": "content_filter"}}))), "POLICY"),
}


def impatient(fake, name="a"):
    return provider(name, fake.base_url, first_token_timeout_s=0.25, stall_timeout_s=0.25)


@pytest.mark.parametrize("fault", WHOLE_FAULTS)
async def test_a_whole_answer_that_fails_is_told_apart_and_on_record(home, fault):
    answer, error, kind = WHOLE_FAULTS[fault]
    async with fake_models(answer) as fake, routing(home, impatient(fake)) as it:
        with pytest.raises(error) as caught:
            await it.complete(switches=ONCE)
        assert type(caught.value) is error
        assert len(fake.asked) == 1
        (row,) = await it.usage()
        assert (row.call_count, row.attempt_count, row.failed_attempt_count) == (1, 1, 1)
        assert [ask.outcome for ask in await rows(it)] == [kind]


@pytest.mark.parametrize("fault", FAULTS_BEFORE_A_TOKEN)
async def test_a_stream_that_fails_before_its_first_token_is_an_error_and_not_a_stream(home, fault):
    answer, error, kind = FAULTS_BEFORE_A_TOKEN[fault]
    async with fake_models(answer) as fake, routing(home, impatient(fake)) as it:
        with pytest.raises(error) as caught:
            await it.stream(switches=ONCE)
        assert type(caught.value) is error
        assert [ask.outcome for ask in await rows(it)] == [kind]


@pytest.mark.parametrize("fault", FAULTS_AFTER_A_TOKEN)
async def test_a_stream_that_breaks_off_ends_as_incomplete(home, fault):
    answer, kind = FAULTS_AFTER_A_TOKEN[fault]
    async with (
        fake_models(answer) as fake,
        fake_models(raw(HELLO)) as other,
        routing(home, impatient(fake), impatient(other, "b")) as it,
    ):
        *pieces, last = await it.stream()
        assert "".join(one.delta.text for one in pieces) == "Hel"
        assert last.end.state == EndState.END_STATE_INCOMPLETE
        assert last.end.finish_reason == FinishReason.FINISH_REASON_UNSPECIFIED
        assert FailureClass.Name(getattr(last.end.failure, "class")) == f"FAILURE_CLASS_{kind}"
        assert last.end.usage.is_estimated
        # The text that came can't be taken back, so nobody else is asked.
        assert other.asked == []
        assert [ask.outcome for ask in await rows(it)] == ["INCOMPLETE"]


def passing(faults):
    """Those that say nothing about what another provider would answer."""
    return [name for name, (_, _, kind) in faults.items() if kind not in ("INVALID", "POLICY")]


@pytest.mark.parametrize("fault", passing(WHOLE_FAULTS))
async def test_the_next_provider_stands_in_for_a_whole_answer(home, fault):
    async with (
        fake_models(WHOLE_FAULTS[fault][0]) as fake,
        fake_models(whole()) as other,
        routing(home, impatient(fake), provider("b", other.base_url)) as it,
    ):
        made = await it.complete()
        assert (made.text, made.decision.provider) == ("Hello.", "b")
        assert [attempt.HasField("failure") for attempt in made.decision.attempts] == [True, False]


@pytest.mark.parametrize(
    "fault", [name for name, one in FAULTS_BEFORE_A_TOKEN.items() if one[2] not in ("INVALID", "POLICY")]
)
async def test_the_next_provider_stands_in_for_a_stream_before_its_first_token(home, fault):
    async with (
        fake_models(FAULTS_BEFORE_A_TOKEN[fault][0]) as fake,
        fake_models(raw(HELLO)) as other,
        routing(home, impatient(fake), provider("b", other.base_url)) as it,
    ):
        *pieces, last = await it.stream()
        assert "".join(one.delta.text for one in pieces) == "Hello."
        assert last.end.state == EndState.END_STATE_COMPLETE
        assert (last.end.usage.input_tokens, last.end.usage.output_tokens) == (10, 3)
        assert last.end.decision.provider == "b"


@pytest.mark.parametrize("fault", ["400", "400 for the policy"])
async def test_what_another_provider_would_refuse_too_is_not_sent_to_it(home, fault):
    async with (
        fake_models(WHOLE_FAULTS[fault][0]) as fake,
        fake_models(whole()) as other,
        routing(home, provider("a", fake.base_url), provider("b", other.base_url)) as it,
    ):
        with pytest.raises(LoupeError):
            await it.complete()
        assert other.asked == []


def stubborn(fake):
    return provider("a", fake.base_url, breaker_failures=10_000)


async def test_a_whole_answer_cut_at_any_byte_is_never_a_success(home):
    async with (
        fake_models(raw(b"")) as fake,
        routing(home, provider("a", fake.base_url, breaker_failures=10_000)) as it,
    ):
        for end in range(0, len(GOOD), 3):
            fake.says(raw(GOOD[:end]))
            with pytest.raises(UpstreamUnavailable):
                await it.complete(switches=ONCE)
        fake.says(raw(GOOD))
        assert (await it.complete(switches=ONCE)).text == "Hello."


async def test_a_stream_cut_at_any_byte_is_whole_or_says_that_it_is_not(home):
    # Up to where the answer's end has come whole; what follows is the count of tokens and a farewell.
    whole_at = HELLO.index(USAGE) - len(f"{len(USAGE):x}\r\n")
    async with (
        fake_models(raw(b"")) as fake,
        routing(home, provider("a", fake.base_url, breaker_failures=10_000)) as it,
    ):
        for end in range(0, whole_at - 2, 3):
            fake.says(raw(HELLO[:end]))
            try:
                *_, last = await it.stream(switches=ONCE)
            except UpstreamUnavailable:
                continue
            assert last.end.state == EndState.END_STATE_INCOMPLETE


async def test_an_answer_that_should_be_json_and_is_not_counts_as_failed_with_what_it_used(home):
    wanted = ResponseFormat(json_object=JsonObject())
    async with (
        fake_models(whole("Sure! {}"), whole('{"a": 1}')) as fake,
        routing(home, provider("a", fake.base_url)) as it,
    ):
        made = await it.complete(response_format=wanted)
        assert made.text == '{"a": 1}'
        assert fake.asked[0].body["response_format"] == {"type": "json_object"}
        (row,) = await it.usage()
        assert (row.attempt_count, row.input_tokens, row.output_tokens) == (2, 20, 6)
        fake.says(raw(stream(piece("Sure!"), piece(finish="stop"), DONE)))
        *_, last = await it.stream(response_format=wanted)
        assert last.end.state == EndState.END_STATE_INCOMPLETE


async def rows(it):
    """The asks of the ledger, in order."""
    await it.ledger.flush()
    async with it.ledger._engine.connect() as connection:
        return (await connection.execute(select(ASKS).order_by(ASKS.c.call_id, ASKS.c.number))).all()
