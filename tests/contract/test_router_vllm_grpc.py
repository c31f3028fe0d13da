"""vLLM's own gRPC as a provider, against a scripted server of it; `make test-vllm` asks a real one."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from pydantic import ValidationError

from loupe.router.v1.router_pb2 import (
    EmbedRequest,
    EndState,
    FailureClass,
    FinishReason,
    Image,
    JsonObject,
    JsonSchema,
    Message,
    MessageRole,
    Part,
    ResponseFormat,
    Sampling,
    Switches,
)
from servers.kit import identity
from servers.kit.errors import ContextTooLong, InvalidField, LoupeError, NotReady, Overloaded, UpstreamUnavailable
from servers.router.configuration import Configuration
from tests.conformance.asking import picture
from tests.engines import word_tokenizer
from tests.routing import ask, provider, routing
from vllm_grpc import vllm_engine_pb2 as pb
from vllm_grpc.vllm_engine_pb2_grpc import VllmEngineServicer, add_VllmEngineServicer_to_server

ONCE = Switches(retry=False)
WORDS = word_tokenizer.tokenizer()


def tokens(text):
    return WORDS.encode(text, add_special_tokens=False).ids


def chunk(text="", ids=None):
    ids = tokens(text) if ids is None else ids
    return pb.GenerateResponse(
        chunk=pb.GenerateStreamChunk(token_ids=ids, prompt_tokens=10, completion_tokens=len(ids), cached_tokens=4)
    )


def end(text="", reason="stop", prompt=10):
    """The end of an answer; in a stream it says again what its last chunk said."""
    ids = tokens(text)
    made = pb.GenerateComplete(output_ids=ids, finish_reason=reason, prompt_tokens=prompt, completion_tokens=len(ids))
    return pb.GenerateResponse(complete=made)


@dataclass
class ScriptedVllm(VllmEngineServicer):
    """Says what the test says."""

    script: list[Any] = field(default_factory=lambda: [chunk(" April"), chunk(" grew"), end(" grew")])
    """Of a stream: responses; a status or (status, words) ends it with that, None waits until the caller leaves."""
    whole: list[Any] = field(default_factory=lambda: [end(" April grew")])
    info: pb.GetModelInfoResponse = field(
        default_factory=lambda: pb.GetModelInfoResponse(is_generation=True, max_context_length=200)
    )
    takes_pictures: bool = True
    is_healthy: bool = True
    asked: list[Any] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    async def Generate(self, request, context):
        self.asked.append((request, dict(context.invocation_metadata())))
        for said in self.script if request.stream else self.whole:
            if said is None:
                try:
                    await asyncio.Event().wait()
                finally:
                    self.gone.set()
            elif isinstance(said, pb.GenerateResponse):
                yield said
            else:
                code, words = said if isinstance(said, tuple) else (said, "no")
                await context.abort(code, words)

    async def Embed(self, request, context):
        ids = list(request.tokenized.input_ids)
        return pb.EmbedResponse(embedding=[len(ids), ids[0]] if ids else [], prompt_tokens=len(ids))

    async def HealthCheck(self, request, context):
        return pb.HealthCheckResponse(healthy=self.is_healthy)

    async def GetModelInfo(self, request, context):
        return self.info

    async def GetServerInfo(self, request, context):
        schemes = {"mm_processor": "inprocess", "mm_media_ref_schemes": "http,https,data"}
        return pb.GetServerInfoResponse(**(schemes if self.takes_pictures else {}))


@asynccontextmanager
async def vllm(*script, **more):
    made = ScriptedVllm(**more)
    if script:
        made.script = made.whole = list(script)
    server = grpc.aio.server()
    add_VllmEngineServicer_to_server(made, server)
    made.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield made
    await server.stop(None)


def at(server, home, *, template=word_tokenizer.TEMPLATE, model=None, **more):
    folder = word_tokenizer.write(home / "words", template)
    models = {"name": "m", "tokenizer_dir": str(folder), "vision": True, "json_schema": True} | (model or {})
    quick = {"first_token_timeout_s": 0.5, "stall_timeout_s": 0.3, "breaker_failures": 1000}
    return provider("v", f"grpc://127.0.0.1:{server.port}", models, kind="vllm_grpc", **(quick | more))


def told(*pairs):
    roles = {"system": MessageRole.MESSAGE_ROLE_SYSTEM, "user": MessageRole.MESSAGE_ROLE_USER}
    return [Message(role=roles[role], parts=[Part(text=text)]) for role, text in pairs]


async def test_a_chat_goes_as_the_tokens_that_the_model_s_own_template_makes_of_it(home, monkeypatch):
    monkeypatch.setenv("VLLM_KEY", "secret")
    async with vllm() as server, routing(home, at(server, home, api_key_env="VLLM_KEY")) as it:
        messages = told(("system", "Be brief."), ("user", "Which?"))
        sampling = Sampling(max_output_tokens=5, seed=2**32 - 1, temperature=0.5, stop=["END"])
        made = await it.complete(messages=messages, sampling=sampling)
        assert (made.text, made.finish_reason) == (" April grew", FinishReason.FINISH_REASON_STOP)
        assert (made.usage.input_tokens, made.usage.output_tokens, made.usage.is_estimated) == (10, 2, False)
        request, metadata = server.asked[0]
        prompt = WORDS.decode(list(request.tokenized.input_ids), skip_special_tokens=False)
        assert prompt == "<|begin|>system: Be brief.<|end|>user: Which?<|end|>assistant: "
        wanted = request.sampling_params
        assert (wanted.max_tokens, wanted.temperature, wanted.seed, list(wanted.stop)) == (5, 0.5, 2**31 - 1, ["END"])
        assert wanted.skip_special_tokens
        assert not wanted.HasField("constraint")
        assert not request.stream
        assert metadata["authorization"] == "Bearer secret"


async def test_a_stream_counts_each_token_once_though_its_end_repeats_the_last(home):
    async with vllm() as server, routing(home, at(server, home)) as it:
        *pieces, last = await it.stream()
        assert [one.delta.text for one in pieces] == [" April", " grew"]
        assert (last.end.state, last.end.finish_reason) == (
            EndState.END_STATE_COMPLETE,
            FinishReason.FINISH_REASON_STOP,
        )
        usage = last.end.usage
        assert (usage.input_tokens, usage.cached_input_tokens, usage.output_tokens) == (10, 4, 2)
        assert server.asked[0][0].request_id != ""


async def test_a_character_in_several_tokens_is_told_whole_or_not_at_all(home):
    said = tokens("10 €, é")
    script = [chunk(ids=[one]) for one in said]
    async with vllm(*script, end(reason="length")) as server, routing(home, at(server, home)) as it:
        *pieces, _ = await it.stream()
        assert [one.delta.text for one in pieces] == ["1", "0", " ", "€", ",", " ", "é"]
        server.script = [chunk("ten "), chunk(ids=tokens("€")[:2]), end(reason="length")]
        *pieces, last = await it.stream()
        assert "".join(one.delta.text for one in pieces) == "ten "
        assert last.end.usage.output_tokens == 6


async def test_a_stop_string_ends_the_answer_wherever_its_tokens_are_cut(home):
    script = [chunk("one E"), chunk("N or two EN"), chunk("D three"), None]
    async with vllm(*script) as server, routing(home, at(server, home, stall_timeout_s=20)) as it:
        *pieces, last = await it.stream(sampling=Sampling(stop=["END", "never"]))
        assert [one.delta.text for one in pieces] == ["one ", "EN or two "]
        assert last.end.finish_reason == FinishReason.FINISH_REASON_STOP
        # vLLM is told, for it goes on where it sees other characters.
        await asyncio.wait_for(server.gone.wait(), 10)
        server.whole = [end("one END two")]
        assert (await it.complete(sampling=Sampling(stop=["END"]))).text == "one "
        server.script = [chunk("it may EN"), end("it may EN", "length")]
        assert "".join([one.delta.text for one in await it.stream(sampling=Sampling(stop=["END"]))]) == "it may EN"


async def test_json_is_asked_for_as_structured_output(home):
    schema = ResponseFormat(json_schema=JsonSchema(name="x", schema_json='{ "type": "object" }'))
    async with vllm(end("{}")) as server, routing(home, at(server, home)) as it:
        assert (await it.complete(response_format=schema)).text == "{}"
        await it.complete(response_format=ResponseFormat(json_object=JsonObject()))
        first, second = (request.sampling_params for request, _ in server.asked)
        assert first.json_schema == '{"type":"object"}'
        assert second.json_object


async def test_a_picture_goes_as_a_reference_for_the_placeholder_that_the_template_wrote(home):
    parts = [Part(image=Image(content=picture())), Part(text="What is it?")]
    messages = [Message(role=MessageRole.MESSAGE_ROLE_USER, parts=parts)]
    async with vllm() as server, routing(home, at(server, home)) as it:
        await it.complete(messages=messages)
        request, _ = server.asked[0]
        assert list(request.tokenized.input_ids).count(tokens("<|picture|>")[0]) == 1
        (item,) = request.media_refs.items
        assert item.modality == pb.IMAGE
        assert item.url.startswith("data:image/png;base64,iVBOR")
    async with vllm(takes_pictures=False) as server, routing(home, at(server, home)) as it:
        with pytest.raises(InvalidField, match="start it with --mm-processor"):
            await it.complete(messages=messages, switches=ONCE)
        assert (await it.complete()).text == " April grew"
    async with vllm() as server, routing(home, at(server, home, model={"vision": False})) as it:
        with pytest.raises(LoupeError, match="takes no images"):
            await it.complete(messages=messages, switches=ONCE)
        assert server.asked == []


async def test_the_model_s_own_sampling_holds_where_the_caller_says_nothing(home):
    own = '{"temperature": 0.1, "top_p": 0.9, "top_k": 20, "repetition_penalty": 1.05, "max_tokens": 7}'
    info = pb.GetModelInfoResponse(is_generation=True, max_context_length=200, default_sampling_params_json=own)
    async with vllm(info=info) as server, routing(home, at(server, home)) as it:
        await it.complete(sampling=Sampling(top_p=0.5))
        wanted = server.asked[0][0].sampling_params
        assert [round(getattr(wanted, name), 3) for name in ("temperature", "top_p", "repetition_penalty")] == [
            0.1,
            0.5,
            1.05,
        ]
        assert wanted.top_k == 20
        info.default_sampling_params_json = "no JSON"
    async with vllm(info=info) as server, routing(home, at(server, home)) as it:
        await it.complete()
        assert not server.asked[0][0].sampling_params.HasField("temperature")


async def test_embeddings_are_asked_for_one_by_one_and_come_in_their_order(home):
    info = pb.GetModelInfoResponse(is_generation=False, max_context_length=200)
    model = {"name": "e", "serves": "embeddings", "vision": False, "json_schema": False}
    async with vllm(info=info) as server, routing(home, at(server, home, model=model)) as it:
        made = await it.router.embed(EmbedRequest(model="e", inputs=["AB", "C"]))
        first = [float(tokens(letter)[0]) for letter in "AC"]
        assert [list(one.values) for one in made.embeddings] == [[2.0, first[0]], [1.0, first[1]]]
        assert made.usage.input_tokens == 3
        with pytest.raises(InvalidField, match="dimensions"):
            await it.router.embed(EmbedRequest(model="e", inputs=["a"], dimensions=7, switches=ONCE))
        server.info.is_generation = True
    async with vllm() as server, routing(home, at(server, home, model=model)) as it:
        with pytest.raises(InvalidField, match="not one of embeddings"):
            await it.router.embed(EmbedRequest(model="e", inputs=["a"], switches=ONCE))


TOO_LONG = "The decoder prompt (length 300) is longer than the maximum model length of 200."
# Before the first piece: what comes, and what the caller is told.
ERRORS: dict[str, tuple[list[Any], type[LoupeError]]] = {
    "a request that is none": ([(grpc.StatusCode.INVALID_ARGUMENT, "cannot identify image")], InvalidField),
    "too long with its pictures": ([(grpc.StatusCode.INVALID_ARGUMENT, TOO_LONG)], ContextTooLong),
    "busy": ([grpc.StatusCode.RESOURCE_EXHAUSTED], Overloaded),
    "no key": ([grpc.StatusCode.UNAUTHENTICATED], UpstreamUnavailable),
    "gone": ([grpc.StatusCode.UNAVAILABLE], UpstreamUnavailable),
    "its engine is dead": ([grpc.StatusCode.INTERNAL], UpstreamUnavailable),
    "silence": ([None], UpstreamUnavailable),
    "nothing at all": ([pb.GenerateResponse()], UpstreamUnavailable),
    "an empty answer": ([end()], UpstreamUnavailable),
    "given up": ([end("x", "abort")], UpstreamUnavailable),
}
# After it: the class of the incomplete end.
BREAKS: dict[str, tuple[list[Any], str]] = {
    "its engine is dead": ([grpc.StatusCode.INTERNAL], "SERVER"),
    "given up": ([end("", "abort")], "SERVER"),
    "gone": ([grpc.StatusCode.UNAVAILABLE], "MALFORMED"),
    "silence": ([None], "STALL"),
    "no end": ([], "MALFORMED"),
}


@pytest.mark.parametrize("fault", ERRORS)
async def test_a_failure_before_the_first_piece_is_told_apart(home, fault):
    script, error = ERRORS[fault]
    async with vllm(*script) as server, routing(home, at(server, home)) as it:
        for asked in (it.complete(switches=ONCE), it.stream(switches=ONCE)):
            with pytest.raises(LoupeError) as caught:
                await asked
            # A provider that was busy is left alone, which is told the same way.
            assert type(caught.value) in (error, UpstreamUnavailable if error is Overloaded else error)


@pytest.mark.parametrize("fault", BREAKS)
async def test_a_failure_after_it_is_an_incomplete_end(home, fault):
    script, kind = BREAKS[fault]
    async with vllm(chunk(" April"), *script) as server, routing(home, at(server, home)) as it:
        *pieces, last = await it.stream()
        assert [one.delta.text for one in pieces] == [" April"]
        assert last.end.state == EndState.END_STATE_INCOMPLETE
        assert FailureClass.Name(getattr(last.end.failure, "class")) == f"FAILURE_CLASS_{kind}"


async def test_a_prompt_beyond_the_context_is_not_sent(home):
    async with vllm() as server, routing(home, at(server, home)) as it:
        with pytest.raises(ContextTooLong):
            await it.complete("x" * 200, switches=ONCE)
        assert server.asked == []


async def test_a_server_that_is_not_healthy_is_not_asked(home):
    async with vllm(is_healthy=False) as server, routing(home, at(server, home)) as it:
        with pytest.raises(UpstreamUnavailable, match="not healthy"):
            await it.complete(switches=ONCE)
        assert server.asked == []


async def test_a_listener_who_leaves_ends_the_request(home):
    async with vllm(chunk(" April"), None) as server, routing(home, at(server, home, stall_timeout_s=20)) as it:
        events = it.streams.stream(ask())
        await anext(events)
        await events.aclose()
        await asyncio.wait_for(server.gone.wait(), 10)
        server.gone.clear()
        identity.set_deadline(asyncio.get_running_loop().time() + 0.4)
        *_, last = await it.stream()
        assert last.end.state == EndState.END_STATE_INCOMPLETE
        await asyncio.wait_for(server.gone.wait(), 10)


async def test_nobody_at_the_address_is_unreachable_and_another_provider_answers(home):
    async with vllm() as gone:
        pass
    async with vllm() as server, routing(home, at(gone, home), at(server, home) | {"name": "other"}) as it:
        made = await it.complete()
        assert made.decision.provider == "other"
        (failed, _) = made.decision.attempts
        assert getattr(failed.failure, "class") == FailureClass.FAILURE_CLASS_UNREACHABLE


async def test_a_hostile_template_costs_its_own_process_and_no_other_prompt(home):
    endless = (
        "{% if messages[0]['content'] == 'loop' %}"
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}{% endif %}"
        "{% if messages[0]['content'] == 'grow' %}{{ 'x' * 9999999999 }}{% endif %}"
        "{{ messages[0]['content'] }}"
    )
    async with vllm() as server, routing(home, at(server, home, template=endless)) as it:
        assert (await it.complete("before")).text == " April grew"
        for text in ("grow", "loop"):
            with pytest.raises(InvalidField, match="made no prompt"):
                await it.complete(text, switches=ONCE)
        assert (await it.complete("after")).text == " April grew"
        assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"base_url": "http://127.0.0.1:8001"}, "no grpc or grpcs address"),
        ({"base_url": "grpc://models.example.com:8001"}, "not on this network"),
        ({"models": [{"name": "m"}]}, "tokenizer_dir names the folder"),
        ({"models": [{"name": "m", "tokenizer_dir": "/m", "tools": True}]}, "calls no tools"),
        ({"models": [{"name": n, "tokenizer_dir": "/m"} for n in "ab"]}, "serves one model"),
        ({"kind": "triton"}, "for kind vllm_grpc only"),
    ],
)
def test_a_section_that_its_api_can_t_keep_is_refused(section, said):
    one = {"name": "m", "tokenizer_dir": "/m"}
    whole = provider("v", "grpc://127.0.0.1:50051", one, kind="vllm_grpc") | section
    with pytest.raises(ValidationError, match=said):
        Configuration.model_validate({"providers": [whole]})


async def test_a_folder_without_a_tokenizer_keeps_the_router_from_serving(home):
    section = provider(
        "v", "grpc://127.0.0.1:50051", {"name": "m", "tokenizer_dir": str(home / "none")}, kind="vllm_grpc"
    )
    with pytest.raises(NotReady, match=r"tokenizer in .* can't be read"):
        async with routing(home, section):
            pass
