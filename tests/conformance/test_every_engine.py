"""What every engine does alike, whoever answers."""

from __future__ import annotations

import asyncio
import json

import pytest

from loupe.router.v1.router_pb2 import EndState, FailureClass, FinishReason
from loupe.type.v1.engine_pb2 import EngineState
from servers.kit.errors import ContextTooLong, DamagedMedia, DeadlineExceeded, InvalidField, UnsupportedMediaType
from tests.conformance.asking import heard, picture, question, to_schema
from tests.conformance.rigs import InProcess, Rig, Served, act

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "month": {"type": "string", "enum": ["April", "May"]},
            "rank": {"type": "integer", "minimum": 4, "maximum": 9},
        },
        "required": ["month", "rank"],
        "additionalProperties": False,
    }
)


async def test_a_whole_answer_says_what_it_is(rig: Rig):
    act()
    made = await rig.model.complete(question())
    assert made.text
    assert made.finish_reason == FinishReason.FINISH_REASON_LENGTH
    assert made.usage.output_tokens == 8
    assert made.usage.input_tokens > 0
    assert not made.usage.is_estimated
    assert made.decision.model
    assert (await rig.model.status()).state == EngineState.ENGINE_STATE_READY


async def test_a_stream_is_the_same_answer_in_pieces_and_an_end(rig: Rig):
    act()
    request = question(max_output_tokens=24)
    whole = await rig.model.complete(request)
    *pieces, last = await heard(rig.model, request)
    assert len(pieces) > 1
    assert all(piece.delta.text for piece in pieces)
    assert "".join(piece.delta.text for piece in pieces) == whole.text
    assert last.end.state == EndState.END_STATE_COMPLETE
    assert last.end.finish_reason == FinishReason.FINISH_REASON_LENGTH
    told = (last.end.usage.input_tokens, last.end.usage.output_tokens)
    assert told == (whole.usage.input_tokens, whole.usage.output_tokens)


async def test_a_seed_makes_chance_repeatable(rig: Rig):
    act()
    story = "Tell me a story that nobody has told."
    requests = [question(story, temperature=1.0, seed=seed, max_output_tokens=16) for seed in (3, 3, 4)]
    texts = [(await rig.model.complete(request)).text for request in requests]
    assert texts[0] == texts[1] != texts[2]


async def test_an_answer_to_a_schema_fits_it(rig: Rig):
    act()
    made = await rig.model.complete(to_schema(question(max_output_tokens=64), SCHEMA))
    assert made.finish_reason == FinishReason.FINISH_REASON_STOP
    answer = json.loads(made.text)
    assert set(answer) == {"month", "rank"}
    assert answer["month"] in ("April", "May")
    assert 4 <= answer["rank"] <= 9


async def test_a_picture_is_taken_and_counted(rig: Rig):
    act()
    blind = await rig.model.complete(question())
    seen = await rig.model.complete(question(image=picture()))
    assert seen.text
    assert seen.usage.input_tokens > blind.usage.input_tokens + 3


@pytest.mark.parametrize("content", [b"no picture", picture()[:20], picture()[:-40]], ids=["text", "header", "end"])
async def test_what_is_no_picture_is_refused_and_the_next_question_is_answered(rig: Rig, content):
    act()
    for asked in (rig.model.complete(question(image=content)), heard(rig.model, question(image=content))):
        with pytest.raises((UnsupportedMediaType, DamagedMedia, InvalidField)):
            await asked
    assert (await rig.model.complete(question())).text


async def test_a_prompt_beyond_the_context_is_refused_as_that(rig: Rig):
    act()
    request = question("word " * rig.context_tokens)
    for asked in (rig.model.complete(request), heard(rig.model, request)):
        with pytest.raises(ContextTooLong):
            await asked


async def test_a_listener_who_leaves_ends_the_model_s_work(rig: Rig):
    act()
    before = await rig.server.aborted_count() if isinstance(rig, Served) else 0
    events = rig.model.stream(question(max_output_tokens=rig.long_tokens))
    assert (await anext(events)).delta.text
    await events.aclose()
    await nobody_works(rig, before)


async def test_the_call_s_time_ends_the_model_s_work(rig: Rig):
    act()
    before = await rig.server.aborted_count() if isinstance(rig, Served) else 0
    act(for_s=1.0)
    with pytest.raises(DeadlineExceeded):
        await rig.model.complete(question(max_output_tokens=rig.long_tokens))
    await nobody_works(rig, before)
    act(for_s=1.0)
    *pieces, last = await heard(rig.model, question(max_output_tokens=rig.long_tokens))
    assert pieces
    assert last.end.state == EndState.END_STATE_INCOMPLETE
    assert getattr(last.end.failure, "class") == FailureClass.FAILURE_CLASS_TIMEOUT
    act()
    assert (await rig.model.complete(question())).text


async def test_questions_at_the_same_time_each_get_their_own_answer(rig: Rig):
    act()
    requests = [question(text, max_output_tokens=12) for text in ("a", "bb cc", "ddd eee fff")]
    alone = [await rig.model.complete(request) for request in requests]
    together = await asyncio.gather(*(rig.model.complete(request) for request in requests))
    assert [made.usage.input_tokens for made in together] == [made.usage.input_tokens for made in alone]
    assert len({made.usage.input_tokens for made in together}) == 3


async def nobody_works(rig: Rig, before: int):
    """Wait until the upstream itself has seen the abort, or the worker is idle."""
    if isinstance(rig, Served):
        await rig.server.sees_an_abort(before)
    else:
        assert isinstance(rig, InProcess)
        await rig.is_idle()
