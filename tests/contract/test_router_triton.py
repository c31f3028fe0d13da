"""Triton as a provider, against a scripted server of its gRPC; `make test-engines` asks a real one."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
import pytest
from pydantic import ValidationError
from tritonclient.grpc import service_pb2, service_pb2_grpc

from loupe.router.v1.router_pb2 import (
    Audio,
    EmbedRequest,
    EndState,
    FailureClass,
    FinishReason,
    Sampling,
    Switches,
    TranscribeRequest,
)
from servers.kit import identity
from servers.kit.errors import ContextTooLong, InvalidField, LoupeError, Overloaded, PolicyRefused, UpstreamUnavailable
from servers.router.configuration import Configuration
from tests.recordings import wav
from tests.routing import ask, provider, routing

ONCE = Switches(retry=False)
CHAT = (("request", "BYTES", [1]),), ("text_output", "finish_reason", "num_input_tokens", "num_output_tokens")
EMBED = (("text", "BYTES", [-1, 1]),), ("embedding",)


def strings(name, value):
    data = value if isinstance(value, bytes) else value.encode()
    return name, "BYTES", [1], len(data).to_bytes(4, "little") + data


def count(name, value, dtype="UINT32", kind=np.uint32):
    return name, dtype, [1], np.array([value], dtype=kind).tobytes()


def response(*outputs):
    made = service_pb2.ModelInferResponse(model_name="chat")
    for name, datatype, shape, data in outputs:
        made.outputs.add(name=name, datatype=datatype, shape=shape)
        made.raw_output_contents.append(data)
    return service_pb2.ModelStreamInferResponse(infer_response=made)


def piece(text):
    return response(strings("text_output", text), strings("finish_reason", ""))


def end(reason="stop", read=10, written=2):
    counts = (count("num_input_tokens", read), count("num_output_tokens", written))
    return response(strings("text_output", ""), strings("finish_reason", reason), *counts)


def broken(message):
    return service_pb2.ModelStreamInferResponse(error_message=message)


HELLO = [piece("Hel"), piece("lo."), end()]


@dataclass
class ScriptedTriton(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]  # tritonclient has no types
    """Says what the test says."""

    script: list[Any] = field(default_factory=lambda: HELLO)
    """Responses; a status code ends the stream with it, None waits until the caller leaves."""
    models: dict[str, Any] = field(default_factory=lambda: {"chat": CHAT, "embed": EMBED})
    loaded: set[str] = field(default_factory=lambda: {"chat", "embed"})
    done: list[Any] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    async def ServerLive(self, request, context):
        return service_pb2.ServerLiveResponse(live=True)

    async def ModelReady(self, request, context):
        return service_pb2.ModelReadyResponse(ready=request.name in self.loaded)

    async def RepositoryModelLoad(self, request, context):
        self.done.append(("load", request.model_name))
        if request.model_name not in self.models:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "failed to load")
        self.loaded.add(request.model_name)
        return service_pb2.RepositoryModelLoadResponse()

    async def RepositoryModelUnload(self, request, context):
        self.done.append(("unload", request.model_name))
        return service_pb2.RepositoryModelUnloadResponse()

    async def ModelMetadata(self, request, context):
        inputs, outputs = self.models[request.name]
        made = service_pb2.ModelMetadataResponse(name=request.name)
        for name, datatype, shape in inputs:
            made.inputs.add(name=name, datatype=datatype, shape=shape)
        for name in outputs:
            made.outputs.add(name=name, datatype="BYTES", shape=[1])
        return made

    async def ModelStreamInfer(self, requests, context):
        async for request in requests:
            self.asked.append((request, dict(context.invocation_metadata())))
            for said in self.script:
                if said is None:
                    try:
                        await asyncio.Event().wait()
                    finally:
                        self.gone.set()
                elif isinstance(said, grpc.StatusCode):
                    await context.abort(said, "no")
                else:
                    yield said

    def body(self):
        """The chat request that came last."""
        content = self.asked[-1][0].raw_input_contents[0]
        return json.loads(content[4:])


@asynccontextmanager
async def triton(*script, **more):
    made = ScriptedTriton(list(script) or HELLO, **more)
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(made, server)
    made.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield made
    await server.stop(None)


def at(server, **more):
    models = ({"name": "m", "upstream": "chat"}, {"name": "e", "upstream": "embed", "serves": "embeddings"})
    quick = {"first_token_timeout_s": 0.5, "stall_timeout_s": 0.3, "breaker_failures": 1000}
    return provider("t", f"grpc://127.0.0.1:{server.port}", *models, kind="triton", **(quick | more))


HEAR = (
    (("audio", "BYTES", [1]), ("language", "BYTES", [1])),
    ("text_output", "language", "duration_s", "segments", "words"),
)
SEGMENTS = json.dumps([{"start": 0, "end": 1.5, "text": "the river"}])
HEARD = [
    response(strings("text_output", "the")),
    response(
        strings("text_output", " river"),
        strings("language", "en"),
        strings("segments", SEGMENTS),
        count("duration_s", 2.5, "FP32", np.float32),
    ),
]


def hearing(server):
    model = {"name": "m", "upstream": "hear", "transcription": True}
    quick = {"first_token_timeout_s": 0.5, "stall_timeout_s": 0.3, "breaker_failures": 1000}
    return provider("t", f"grpc://127.0.0.1:{server.port}", model, kind="triton", **quick)


def recording(**more):
    fields: dict[str, Any] = {"model": "m", "audio": Audio(content=wav(0.5)), "switches": ONCE}
    return TranscribeRequest(**(fields | more))


async def test_a_recording_goes_as_a_tensor_with_its_language_and_comes_back_with_times(home):
    async with (
        triton(*HEARD, models={"hear": HEAR}, loaded={"hear"}) as server,
        routing(home, hearing(server)) as it,
    ):
        made = await it.transcriptions.transcribe(recording(language="en"))
        assert (made.text, made.language, made.usage.audio_s) == ("the river", "en", 2.5)
        assert [(one.text, one.end.ToMilliseconds()) for one in made.segments] == [("the river", 1500)]
        sent = server.asked[-1][0]
        assert [tensor.name for tensor in sent.inputs] == ["audio", "language"]
        assert [content[4:] for content in sent.raw_input_contents] == [wav(0.5), b"en"]


async def test_a_model_that_declares_no_language_and_no_times_is_told_none_and_tells_none(home):
    shape = (HEAR[0][:1], ("text_output",))
    said = response(strings("text_output", "tea"))
    async with triton(said, models={"hear": shape}, loaded={"hear"}) as server, routing(home, hearing(server)) as it:
        made = await it.transcriptions.transcribe(recording(language="en"))
        assert (made.text, len(made.segments), made.usage.audio_s) == ("tea", 0, 0.5)
        assert [tensor.name for tensor in server.asked[-1][0].inputs] == ["audio"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ([response(strings("text_output", "a"), strings("segments", "{"))], "segments is no JSON"),
        ([response(strings("text_output", "a"), strings("segments", '[{"start": 1}]'))], "is no transcription"),
        ([response(count("text_output", 3))], "text_output is no text"),
        ([response(strings("text_output", "a"), count("duration_s", -1.0, "FP32", np.float32))], "is no transcription"),
        ([response(strings("text_output", "a")), None], "no response for 0.3 s"),
        ([None], "no answer within 0.5 s|no response within 0.5 s"),
        ([], "the answer is empty"),
    ],
)
async def test_what_is_no_transcription_of_a_triton_is_a_failure(home, script, message):
    async with triton(models={"hear": HEAR}, loaded={"hear"}) as server, routing(home, hearing(server)) as it:
        server.script = script
        with pytest.raises(UpstreamUnavailable, match=message):
            await it.transcriptions.transcribe(recording())


async def test_a_chat_goes_as_one_tensor_and_comes_back_in_pieces(home, monkeypatch):
    monkeypatch.setenv("TRITON_KEY", "secret")
    async with triton() as server, routing(home, at(server, api_key_env="TRITON_KEY")) as it:
        made = await it.complete(sampling=Sampling(max_output_tokens=5, seed=3))
        assert (made.text, made.finish_reason) == ("Hello.", FinishReason.FINISH_REASON_STOP)
        assert (made.usage.input_tokens, made.usage.output_tokens, made.usage.is_estimated) == (10, 2, False)
        body = server.body()
        assert body["messages"] == [{"role": "user", "content": "Hi"}]
        assert (body["model"], body["max_tokens"], body["seed"]) == ("chat", 5, 3)
        request, metadata = server.asked[0]
        assert (request.inputs[0].name, list(request.inputs[0].shape)) == ("request", [1])
        assert metadata["authorization"] == "Bearer secret"
        *pieces, last = await it.stream()
        assert [one.delta.text for one in pieces] == ["Hel", "lo."]
        assert last.end.state == EndState.END_STATE_COMPLETE


async def test_a_model_that_counts_nothing_is_counted_here(home):
    models = {"chat": (CHAT[0], ("text_output",))}
    async with (
        triton(response(strings("text_output", "Hello.")), models=models) as server,
        routing(home, at(server)) as it,
    ):
        made = await it.complete()
        assert (made.text, made.finish_reason, made.usage.is_estimated) == (
            "Hello.",
            FinishReason.FINISH_REASON_STOP,
            True,
        )


async def test_embeddings_are_a_batch_of_texts(home):
    values = np.array([[1, 0.5], [0, -1]], dtype=np.float32)
    said = response(("embedding", "FP32", [2, 2], values.tobytes()))
    async with triton(said) as server, routing(home, at(server)) as it:
        made = await it.router.embed(EmbedRequest(model="e", inputs=["a", "b"]))
        assert [list(one.values) for one in made.embeddings] == [[1.0, 0.5], [0.0, -1.0]]
        assert list(server.asked[0][0].inputs[0].shape) == [2, 1]
        for request in (
            EmbedRequest(model="e", inputs=["a"], switches=ONCE),
            EmbedRequest(model="e", inputs=["a", "b"], dimensions=7, switches=ONCE),
        ):
            with pytest.raises((UpstreamUnavailable, InvalidField)):
                await it.router.embed(request)


# Before the first piece: what comes, and what the caller is told.
ERRORS = {
    "unknown trouble": ([broken("CUDA out of memory")], UpstreamUnavailable),
    "a request that is none": ([broken("INVALID_ARGUMENT: cannot identify image")], InvalidField),
    "too long": ([broken("This model's maximum context length is 8 tokens")], ContextTooLong),
    "too long, with a status": ([broken("INVALID_ARGUMENT: maximum context length is 8")], ContextTooLong),
    "the policy": ([broken("INVALID_ARGUMENT: content_filter")], PolicyRefused),
    "busy": ([broken("RESOURCE_EXHAUSTED: try later")], Overloaded),
    "busy by status": ([grpc.StatusCode.RESOURCE_EXHAUSTED], Overloaded),
    "no key": ([grpc.StatusCode.UNAUTHENTICATED], UpstreamUnavailable),
    "gone": ([grpc.StatusCode.UNAVAILABLE], UpstreamUnavailable),
    "broken": ([grpc.StatusCode.INTERNAL], UpstreamUnavailable),
    "silence": ([None], UpstreamUnavailable),
    "nothing at all": ([response()], UpstreamUnavailable),
    "an empty answer": ([end()], UpstreamUnavailable),
    "no end": ([response(strings("text_output", ""))], UpstreamUnavailable),
    "bytes that are no text": ([response(strings("text_output", b"\xff\xfe"))], UpstreamUnavailable),
    "another shape": ([response(("text_output", "BYTES", [7], b"\x01\x00\x00\x00a"))], UpstreamUnavailable),
    "a length beyond its bytes": ([response(("text_output", "BYTES", [1], b"\xff\x00\x00\x00a"))], UpstreamUnavailable),
    "a count that is none": ([response(count("num_input_tokens", -1, "INT32", np.int32))], UpstreamUnavailable),
}
# After it: the class of the incomplete end.
BREAKS = {
    "an error": ([broken("CUDA out of memory")], "SERVER"),
    "busy": ([broken("RESOURCE_EXHAUSTED: try later")], "RATE"),
    "gone": ([grpc.StatusCode.UNAVAILABLE], "MALFORMED"),
    "silence": ([None], "STALL"),
    "no end": ([], "MALFORMED"),
    "bytes that are no text": ([response(strings("text_output", b"\xff\xfe"))], "MALFORMED"),
}


@pytest.mark.parametrize("fault", ERRORS)
async def test_a_failure_before_the_first_piece_is_told_apart(home, fault):
    script, error = ERRORS[fault]
    async with triton(*script) as server, routing(home, at(server)) as it:
        for asked in (it.complete(switches=ONCE), it.stream(switches=ONCE)):
            with pytest.raises(LoupeError) as caught:
                await asked
            # A provider that was busy is left alone, which is told the same way.
            assert type(caught.value) in (error, UpstreamUnavailable if error is Overloaded else error)


@pytest.mark.parametrize("fault", BREAKS)
async def test_a_failure_after_it_is_an_incomplete_end(home, fault):
    script, kind = BREAKS[fault]
    async with triton(piece("Hel"), *script) as server, routing(home, at(server)) as it:
        *pieces, last = await it.stream()
        assert [one.delta.text for one in pieces] == ["Hel"]
        assert last.end.state == EndState.END_STATE_INCOMPLETE
        assert FailureClass.Name(getattr(last.end.failure, "class")) == f"FAILURE_CLASS_{kind}"


async def test_a_listener_who_leaves_ends_the_request(home):
    async with triton(piece("Hel"), None) as server, routing(home, at(server, stall_timeout_s=20)) as it:
        events = it.streams.stream(ask())
        await anext(events)
        await events.aclose()
        await asyncio.wait_for(server.gone.wait(), 10)
        server.gone.clear()
        identity.set_deadline(asyncio.get_running_loop().time() + 0.4)
        *_, last = await it.stream()
        assert last.end.state == EndState.END_STATE_INCOMPLETE
        await asyncio.wait_for(server.gone.wait(), 10)


async def test_models_are_loaded_only_where_that_is_configured(home):
    async with triton(loaded=set()) as server:
        async with routing(home, at(server)) as it:
            with pytest.raises(UpstreamUnavailable, match="no model 'chat' that is ready"):
                await it.complete(switches=ONCE)
        assert server.done == []
        async with routing(home, at(server, model_control="load")) as it:
            assert (await it.complete()).text == "Hello."
            await it.complete()
        assert server.done == [("load", "chat")]
        server.loaded.clear()
        async with routing(home, at(server, model_control="load_and_unload")) as it:
            await it.complete()
        assert server.done == [("load", "chat"), ("load", "chat"), ("unload", "chat")]
        server.loaded.clear()
        server.models.clear()
        async with routing(home, at(server, model_control="load")) as it:
            with pytest.raises(UpstreamUnavailable, match="can't be made ready"):
                await it.complete(switches=ONCE)


@pytest.mark.parametrize(
    ("inputs", "outputs", "told"),
    [
        ((("text_input", "BYTES", [1]),), ("text_output",), "no input 'request' of BYTES"),
        ((("request", "INT32", [1]),), ("text_output",), "no input 'request' of BYTES"),
        (CHAT[0], ("text",), "no output 'text_output'"),
        ((*CHAT[0], ("more", "BYTES", [1])), ("text_output",), "more inputs than 'request': more"),
    ],
)
async def test_a_model_that_keeps_no_contract_is_refused_by_name(home, inputs, outputs, told):
    async with triton(models={"chat": (inputs, outputs)}) as server, routing(home, at(server)) as it:
        with pytest.raises(InvalidField, match=told):
            await it.complete(switches=ONCE)
        assert server.asked == []


async def test_nobody_at_the_address_is_unreachable_and_another_provider_answers(home):
    async with triton() as gone:
        pass
    async with triton() as server:
        other = at(server) | {"name": "other"}
        async with routing(home, at(gone), other) as it:
            made = await it.complete()
            assert made.decision.provider == "other"
            (failed, _) = made.decision.attempts
            assert getattr(failed.failure, "class") == FailureClass.FAILURE_CLASS_UNREACHABLE


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"base_url": "http://127.0.0.1:8001"}, "no grpc or grpcs address"),
        ({"base_url": "grpc://127.0.0.1:8001/v2"}, "has a path"),
        ({"base_url": "grpc://models.example.com:8001"}, "not on this network"),
        ({"models": [{"name": "m", "tools": True}]}, "calls no tools"),
        ({"kind": "openai"}, "no http or https address"),
        ({"kind": "openai", "base_url": "http://localhost/v1", "model_control": "load"}, "for kind triton only"),
    ],
)
def test_an_address_that_is_not_triton_s_is_refused(section, told):
    whole = provider("t", "grpc://127.0.0.1:8001", kind="triton") | section
    with pytest.raises(ValidationError, match=told):
        Configuration.model_validate({"providers": [whole]})


async def test_a_local_name_that_leads_elsewhere_is_not_connected_to(home, monkeypatch):
    async def elsewhere(_host, port, **_more):
        return [(2, 1, 6, "", ("203.0.113.7", port))]

    async with triton() as server:
        section = at(server) | {"base_url": f"grpc://triton:{server.port}"}
        async with routing(home, section) as it:
            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", elsewhere, raising=False)
            with pytest.raises(UpstreamUnavailable, match="not on this network"):
                await it.complete(switches=ONCE)
            assert server.asked == []
