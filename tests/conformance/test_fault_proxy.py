"""Every fault of a wire × answers, transcriptions and streams: a real router, a real server, a proxy that breaks it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from loupe.router.v1.router_pb2 import (
    Completion,
    EndState,
    FailureClass,
    StreamCompleteResponse,
    TranscribeResponse,
)
from servers.kit.channels import ServiceTokens, open_channel
from servers.kit.errors import LoupeError, Overloaded, UpstreamUnavailable
from servers.kit.keys import KeyFolder
from servers.kit.models.routed import RoutedModel
from tests.conformance.asking import heard, question
from tests.conformance.fault_proxy import Fault, fault_proxy
from tests.conformance.hearing import SHORT, ear_at
from tests.conformance.rigs import act
from tests.conformance.servers import word_server
from tests.running import running

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Where a whole answer can break, and what its caller is told.
WHOLE = {
    **{
        Fault(action, where): UpstreamUnavailable
        for action in ("cut", "stall", "garbage")
        for where in (0, "head", "body", "last byte")
    },
    Fault("drip", 0): UpstreamUnavailable,
    Fault("drip", "body"): UpstreamUnavailable,
    Fault("bad chunk", "body"): UpstreamUnavailable,
    Fault("error", 0): UpstreamUnavailable,
    Fault("429", 0): Overloaded,
}
# Where a stream can break before its first piece: an error, as of a whole answer.
BEFORE = {
    **{
        Fault(action, where): UpstreamUnavailable
        for action in ("cut", "stall", "garbage")
        for where in (0, "head", "body")
    },
    Fault("drip", 0): UpstreamUnavailable,
    Fault("drip", "body"): UpstreamUnavailable,
    Fault("bad chunk", "body"): UpstreamUnavailable,
    Fault("error", "body"): UpstreamUnavailable,
    Fault("429", "body"): Overloaded,
    Fault("429", 0): Overloaded,
}
# After it: an explicit end, with its class. What is no chunk ends the stream, or only its events.
CUT = {"MALFORMED"}
AFTER = {
    Fault("cut", "event"): CUT,
    Fault("cut", "event within"): CUT,
    Fault("stall", "event"): {"STALL"},
    Fault("stall", "event within"): {"STALL"},
    Fault("drip", "event"): {"STALL"},
    Fault("drip", "event within"): {"STALL"},
    Fault("garbage", "event"): CUT,
    Fault("garbage", "event within"): CUT,
    Fault("bad chunk", "event"): CUT,
    Fault("error", "event"): {"SERVER"},
    Fault("429", "event"): {"RATE"},
}
STREAMED = (*BEFORE, *AFTER)
CASES = [(kind, fault) for kind in ("whole", "recording") for fault in WHOLE] + [("stream", one) for one in STREAMED]
_PROVIDER = """
[[providers]]
name = "p{number}"
kind = "openai"
base_url = "http://127.0.0.1:{port}/v1"
first_token_timeout_s = 1.0
stall_timeout_s = 0.5
breaker_failures = 1000
[[providers.models]]
name = "m{number}"
[[providers.models]]
name = "h{number}"
transcription = true
"""


@dataclass
class Outcome:
    """What came of a question whose answer broke, and of the next one."""

    broken: Completion | TranscribeResponse | list[StreamCompleteResponse] | LoupeError
    then: Completion
    then_heard: TranscribeResponse
    then_streamed: list[StreamCompleteResponse]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def outcomes():
    """Run every case at once, each through a proxy and a provider of its own."""
    act()
    home = Path(tempfile.mkdtemp(prefix="loupe-"))
    server = word_server(home)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.kill)
        await server.start()
        proxies = [await stack.enter_async_context(fault_proxy("127.0.0.1", server.port)) for _ in CASES]
        providers = [_PROVIDER.format(number=number, port=proxy.port) for number, proxy in enumerate(proxies)]
        (home / "router.toml").write_text("".join(providers))
        router = await stack.enter_async_context(running("router", home))
        channel = open_channel(router.address, "router", ServiceTokens("reasoning", KeyFolder(home / "keys")))
        stack.push_async_callback(channel.close)
        asked = [
            _outcome(RoutedModel(channel, f"m{number}"), ear_at(channel, f"h{number}"), proxy, kind, fault)
            for number, (proxy, (kind, fault)) in enumerate(zip(proxies, CASES, strict=True))
        ]
        made = await asyncio.gather(*asked)
    shutil.rmtree(home, ignore_errors=True)
    return dict(zip(CASES, made, strict=True))


async def _outcome(model, ear, proxy, kind, fault):
    asks = {
        "whole": lambda: model.complete(question()),
        "recording": lambda: ear(SHORT),
        "stream": lambda: heard(model, question()),
    }
    proxy.arm(fault)
    try:
        broken = await asks[kind]()
    except LoupeError as error:
        broken = error
    proxy.arm(None)
    return Outcome(broken, *[await _in_time(ask) for ask in asks.values()])


async def _in_time(ask):
    """Return an answer, asked for again when the router says so: a busy provider is left alone for a second."""
    for _ in range(3):
        try:
            return await ask()
        except UpstreamUnavailable as error:
            await asyncio.sleep(error.retry_after_s or 0.0)
    return await ask()


def of(fault):
    return f"{fault.action} at {fault.where}"


@pytest.mark.parametrize("kind", ["whole", "recording"])
@pytest.mark.parametrize("fault", WHOLE, ids=of)
async def test_a_broken_whole_answer_is_an_error(outcomes, fault, kind):
    assert type(outcomes[kind, fault].broken) is WHOLE[fault]


@pytest.mark.parametrize("fault", BEFORE, ids=of)
async def test_a_stream_that_breaks_before_its_first_piece_is_an_error(outcomes, fault):
    assert type(outcomes["stream", fault].broken) is BEFORE[fault]


@pytest.mark.parametrize("fault", AFTER, ids=of)
async def test_a_stream_that_breaks_after_it_ends_as_incomplete_with_its_class(outcomes, fault):
    *pieces, last = outcomes["stream", fault].broken
    assert "".join(piece.delta.text for piece in pieces)
    assert last.end.state == EndState.END_STATE_INCOMPLETE
    assert FailureClass.Name(getattr(last.end.failure, "class")).removeprefix("FAILURE_CLASS_") in AFTER[fault]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}, {of(case[1])}")
async def test_what_follows_a_broken_answer_is_whole_and_holds_nothing_of_it(outcomes, case):
    outcome = outcomes[case]
    expected = "May all than all April far and months"
    assert outcome.then.text == expected
    assert outcome.then_heard.text == "the river rose in march"
    assert outcome.then_heard.usage.audio_s == 2.5
    *pieces, last = outcome.then_streamed
    assert "".join(piece.delta.text for piece in pieces) == expected
    assert last.end.state == EndState.END_STATE_COMPLETE
