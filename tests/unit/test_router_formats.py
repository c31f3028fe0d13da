"""What each kind of provider is sent, and how its answers are read: the same request, the same answer."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image as Picture

from loupe.router.v1.router_pb2 import (
    EndState,
    FinishReason,
    Image,
    JsonSchema,
    Message,
    MessageRole,
    Part,
    ResponseFormat,
    Sampling,
    Switches,
    Tool,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
)
from servers.kit.errors import InvalidField, Overloaded, UpstreamUnavailable
from servers.router.openai.requests import read_chat
from tests.fake_models import (
    CHUNKED_HEAD,
    DONE,
    USAGE,
    chunk,
    event,
    fake_models,
    http,
    in_two,
    piece,
    raw,
    stream,
    whole,
)
from tests.routing import provider, routing

ALL = {"name": "m", "upstream": "real-m", "vision": True, "json_schema": True, "tools": True, "max_output_tokens": 99}


def png() -> bytes:
    buffer = io.BytesIO()
    Picture.new("RGB", (2, 2)).save(buffer, "PNG")
    return buffer.getvalue()


def conversation() -> dict[str, Any]:
    """One of everything that a request can hold."""
    user, assistant = MessageRole.MESSAGE_ROLE_USER, MessageRole.MESSAGE_ROLE_ASSISTANT
    look = ToolCall(id="t1", name="look", arguments_json='{"at": 3}')
    return {
        "messages": [
            Message(role=MessageRole.MESSAGE_ROLE_SYSTEM, parts=[Part(text="Be brief.")]),
            Message(role=user, parts=[Part(text="See:"), Part(image=Image(content=png()))]),
            Message(role=assistant, tool_calls=[look]),
            Message(role=MessageRole.MESSAGE_ROLE_TOOL, tool_call_id="t1", parts=[Part(text="42")]),
        ],
        "sampling": Sampling(temperature=0.5, stop=["END"], seed=7),
        "tools": [Tool(name="look", description="Looks.", parameters_json='{"type": "object"}')],
        "tool_choice": ToolChoice(mode=ToolChoiceMode.TOOL_CHOICE_MODE_REQUIRED),
        "response_format": ResponseFormat(json_schema=JsonSchema(name="n", schema_json='{"type": "object"}')),
    }


async def test_an_openai_provider_is_sent_the_whole_request(home):
    async with (
        fake_models(whole("{}")) as fake,
        routing(home, provider("a", fake.base_url, ALL)) as it,
    ):
        await it.complete(**conversation())
    body = fake.asked[0].body
    image = body["messages"][1]["content"][1]["image_url"]["url"]
    assert image.startswith("data:image/png;base64,iVBOR")
    body["messages"][1]["content"][1] = "the image"
    assert body == {
        "model": "real-m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "See:"}, "the image"]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "t1", "type": "function", "function": {"name": "look", "arguments": '{"at": 3}'}}
                ],
            },
            {"role": "tool", "content": "42", "tool_call_id": "t1"},
        ],
        "max_tokens": 99,
        "temperature": 0.5,
        "stop": ["END"],
        "seed": 7,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": False},
        },
        "tools": [
            {
                "type": "function",
                "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}},
            }
        ],
        "tool_choice": "required",
    }


def message(*content: dict[str, object], reason: str = "end_turn") -> bytes:
    usage = {"input_tokens": 6, "cache_read_input_tokens": 4, "output_tokens": 3}
    body = {"type": "message", "content": list(content), "stop_reason": reason, "usage": usage}
    return http(200, json.dumps(body).encode())


def anthropic(fake, **more):
    return provider("a", f"http://127.0.0.1:{fake.port}", ALL, kind="anthropic", **more)


async def test_an_anthropic_provider_is_sent_the_same_in_its_format(home, monkeypatch):
    monkeypatch.setenv("ANTHROPIC", "sk-x")
    async with (
        fake_models(raw(message({"type": "text", "text": "{}"}))) as fake,
        routing(home, anthropic(fake, api_key_env="ANTHROPIC")) as it,
    ):
        made = await it.complete(**conversation())
    assert (made.text, made.usage.input_tokens, made.usage.cached_input_tokens) == ("{}", 10, 4)
    asked = fake.asked[0]
    assert (asked.path, asked.headers["x-api-key"]) == ("/v1/messages", "sk-x")
    assert asked.headers["anthropic-version"] == "2023-06-01"
    assert asked.body["messages"][0]["content"][1].pop("source")["media_type"] == "image/png"
    assert asked.body == {
        "model": "real-m",
        "max_tokens": 99,
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "See:"}, {"type": "image"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 3}}]},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "42"}]}],
            },
        ],
        "temperature": 0.5,
        "stop_sequences": ["END"],
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
        "tools": [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "any"},
    }


def named(name: str, **data: object) -> bytes:
    return f"event: {name}\n".encode() + event({"type": name} | data)


OPENAI_STREAM = stream(
    piece("Let "),
    piece("me."),
    piece(tool_calls=[{"index": 0, "id": "t1", "function": {"name": "look", "arguments": ""}}]),
    piece(tool_calls=[{"index": 0, "function": {"arguments": '{"at"'}}]),
    piece(tool_calls=[{"index": 0, "function": {"arguments": ": 3}"}}]),
    piece(finish="tool_calls"),
    USAGE,
    DONE,
)
ANTHROPIC_STREAM = stream(
    named("message_start", message={"usage": {"input_tokens": 10, "output_tokens": 1}}),
    named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    named("ping"),
    named("content_block_delta", index=0, delta={"type": "text_delta", "text": "Let "}),
    named("content_block_delta", index=0, delta={"type": "text_delta", "text": "me."}),
    named("content_block_stop", index=0),
    named("content_block_start", index=1, content_block={"type": "tool_use", "id": "t1", "name": "look", "input": {}}),
    named("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"at"'}),
    named("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": ": 3}"}),
    named("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 3}),
    named("message_stop"),
)


@pytest.mark.parametrize(("kind", "answer"), [("openai", OPENAI_STREAM), ("anthropic", ANTHROPIC_STREAM)])
async def test_a_streamed_answer_reads_the_same_from_every_kind(home, kind, answer):
    async with fake_models(raw(answer)) as fake:
        section = anthropic(fake) if kind == "anthropic" else provider("a", fake.base_url, ALL)
        async with routing(home, section) as it:
            *pieces, last = await it.stream()
            assert "".join(one.delta.text for one in pieces) == "Let me."
            calls = [call for one in pieces for call in one.delta.tool_calls]
            assert (calls[0].id, calls[0].name) == ("t1", "look")
            assert "".join(call.arguments_json for call in calls) == '{"at": 3}'
            assert last.end.state == EndState.END_STATE_COMPLETE
            assert last.end.finish_reason == FinishReason.FINISH_REASON_TOOL_CALLS
            assert (last.end.usage.input_tokens, last.end.usage.output_tokens) == (10, 3)


@pytest.mark.parametrize(
    ("reason", "meant"),
    [
        ("end_turn", FinishReason.FINISH_REASON_STOP),
        ("max_tokens", FinishReason.FINISH_REASON_LENGTH),
        ("refusal", FinishReason.FINISH_REASON_POLICY),
    ],
)
async def test_why_an_anthropic_answer_ended_is_kept(home, reason, meant):
    answer = message({"type": "text", "text": "So"}, reason=reason)
    async with fake_models(raw(answer)) as fake, routing(home, anthropic(fake)) as it:
        assert (await it.complete()).finish_reason == meant


ANTHROPIC_BEGUN = CHUNKED_HEAD + chunk(
    named("content_block_delta", index=0, delta={"type": "text_delta", "text": "Let"})
)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http(200, b"{}"), UpstreamUnavailable),
        (message(), UpstreamUnavailable),
        (message({"type": "text", "text": "Hel"})[:-20], UpstreamUnavailable),
        (http(529, b'{"type": "error", "error": {"type": "overloaded_error"}}'), Overloaded),
        (http(400, b'{"type": "error", "error": {"type": "invalid_request_error"}}'), InvalidField),
        (http(200, b'{"type": "error", "error": {"type": "overloaded_error"}}'), Overloaded),
    ],
)
async def test_a_broken_anthropic_answer_is_no_answer(home, answer, error):
    async with fake_models(raw(answer)) as fake, routing(home, anthropic(fake)) as it:
        with pytest.raises(error):
            await it.complete(switches=Switches(retry=False))
        with pytest.raises((UpstreamUnavailable, error)):
            await it.stream(switches=Switches(retry=False))


@pytest.mark.parametrize(
    "rest",
    [b"", chunk(named("error", error={"type": "overloaded_error"})), chunk(named("message_stop")) + b"0\r\n\r\n"],
)
async def test_a_broken_anthropic_stream_ends_as_incomplete(home, rest):
    async with fake_models(in_two(ANTHROPIC_BEGUN, rest)) as fake, routing(home, anthropic(fake)) as it:
        *pieces, last = await it.stream()
        assert [one.delta.text for one in pieces] == ["Let"]
        assert last.end.state == EndState.END_STATE_INCOMPLETE


async def test_a_schema_can_not_reach_beyond_its_place(home):
    wild = JsonSchema(name="n", schema_json='{}}, "model": "other", "x": {')
    async with fake_models() as fake, routing(home, provider("a", fake.base_url, ALL)) as it:
        with pytest.raises(InvalidField, match="schema_json"):
            await it.complete(response_format=ResponseFormat(json_schema=wild))
        assert fake.asked == []


BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"model": None}, "model"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [{"role": "king", "content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"top_k": 3}, "top_k"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 3}, "sampling.temperature"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"stop": [1]}, "stop"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"tools": [{"type": "magic"}]}, "tools[0].type"),
        ({"loupe": {"base_url": "http://evil"}}, "loupe.base_url"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://evil/x.png"}}]}
                ]
            },
            "messages[0].content[0].image_url.url",
        ),
    ],
)
def test_what_openais_format_can_not_mean_here_is_refused_by_name(change, field):
    with pytest.raises(InvalidField) as caught:
        read_chat(BODY | change)
    assert caught.value.violations[0][0] == field


def test_what_changes_no_answer_is_let_pass():
    extra = {"user": "u1", "n": 1, "store": False, "metadata": {}, "logprobs": False, "top_logprobs": None}
    assert read_chat(BODY | extra).messages[0].parts[0].text == "Hi"


def test_messages_made_by_other_clients_are_understood():
    read = read_chat(
        BODY
        | {
            "messages": [
                {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
                {"role": "assistant", "content": None, "tool_calls": [{"id": "t", "function": {"name": "f"}}]},
            ],
            "max_completion_tokens": 5,
            "stop": "END",
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "loupe": {"job_id": "job_1", "failover": False, "fitting": "drop_oldest"},
        }
    )
    assert read.messages[0].role == MessageRole.MESSAGE_ROLE_SYSTEM
    assert read.messages[1].tool_calls[0].name == "f"
    assert (read.sampling.max_output_tokens, list(read.sampling.stop)) == (5, ["END"])
    assert (read.tool_choice.name, read.job_id) == ("f", "job_1")
    assert read.switches.HasField("failover") and not read.switches.failover
