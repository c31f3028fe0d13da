"""What is true of engines behind a wire: servers die, and bytes go wrong."""

from __future__ import annotations

import asyncio

import pytest

from loupe.router.v1.router_pb2 import EndState, FailureClass
from servers.kit.errors import DeadlineExceeded, LoupeError, UpstreamUnavailable
from tests.conformance.asking import heard, question
from tests.conformance.rigs import SERVED, Served, act

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.parametrize("rig", SERVED, indirect=True)]

BROKEN = {
    FailureClass.FAILURE_CLASS_MALFORMED,
    FailureClass.FAILURE_CLASS_STALL,
    FailureClass.FAILURE_CLASS_UNREACHABLE,
    FailureClass.FAILURE_CLASS_SERVER,
}


@pytest.mark.parametrize("action", ["cut", "garbage", "stall", "drip"])
async def test_an_answer_whose_bytes_go_wrong_is_incomplete_and_the_next_is_whole(rig: Served, action):
    act(for_s=20)
    rig.proxy.arm(None)
    events = rig.model.stream(question(max_output_tokens=rig.long_tokens))
    assert (await anext(events)).delta.text
    rig.proxy.break_now(action)
    *_, last = [event async for event in events]
    assert last.end.state == EndState.END_STATE_INCOMPLETE
    kind = getattr(last.end.failure, "class")
    assert kind in BROKEN, FailureClass.Name(kind)
    assert kind == FailureClass.FAILURE_CLASS_STALL or action in ("cut", "garbage")
    # Nothing of it was taken for an answer, and what follows is not mixed with its rest.
    act(for_s=2)
    with pytest.raises((UpstreamUnavailable, DeadlineExceeded)):
        await rig.model.complete(question())
    rig.proxy.arm(None)
    act(for_s=30)
    assert (await answered(rig)).usage.output_tokens == 8
    assert (await heard(rig.model, question()))[-1].end.state == EndState.END_STATE_COMPLETE


async def test_a_server_killed_in_mid_answer_leaves_it_incomplete_and_answers_again_once_it_is_back(rig: Served):
    act(for_s=20)
    rig.proxy.arm(None)
    events = rig.model.stream(question(max_output_tokens=rig.long_tokens))
    assert (await anext(events)).delta.text
    waiting = asyncio.create_task(rig.model.complete(question(max_output_tokens=rig.long_tokens)))
    await rig.server.kill()
    *_, last = [event async for event in events]
    assert last.end.state == EndState.END_STATE_INCOMPLETE
    with pytest.raises(UpstreamUnavailable):
        await waiting
    with pytest.raises(UpstreamUnavailable):
        await rig.model.complete(question())
    await rig.server.start()
    act(for_s=60)
    assert (await answered(rig)).text


async def answered(rig: Served):
    """Return an answer; a connection of before may have to be found dead first."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await rig.model.complete(question())
            except (UpstreamUnavailable, DeadlineExceeded) as error:
                assert isinstance(error, LoupeError)
                await asyncio.sleep(0.1)
