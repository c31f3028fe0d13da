"""Transcriptions as clients ask for them: over gRPC, and with the form of OpenAI's client."""

from __future__ import annotations

import json

import grpc
import pytest

from loupe.router.v1.router_pb2 import Audio, GetUsageRequest, ListModelsRequest, TranscribeRequest
from loupe.router.v1.router_service_pb2_grpc import RouterServiceStub
from servers.kit.errors import InvalidField, NoCapableModel, UnsupportedMediaType
from servers.kit.status import from_rpc_error
from tests.contract.test_router_server import openai, write_providers
from tests.fake_models import fake_models, http, raw, refusal
from tests.recordings import wav
from tests.running import running

HEARD = '[[providers.models]]\nname = "w"\ntranscription = true\naudio_usd_per_minute = "0.006"\n'
SAID = {
    "text": "the river rose",
    "language": "en",
    "duration": 2.5,
    "segments": [{"start": 0.5, "end": 2.25, "text": "the river rose"}],
}
PATH = "/audio/transcriptions"


def sound(content=None):
    return {"file": ("speech.wav", wav(0.5) if content is None else content, "audio/x-wav")}


async def test_both_surfaces_write_down_what_is_said_and_one_ledger_knows_its_time(home):
    async with fake_models(raw(http(200, json.dumps(SAID).encode()))) as fake:
        write_providers(home, fake, HEARD)
        async with running("router", home) as server, server.channel() as channel, openai(home, server.key) as client:
            stub = RouterServiceStub(channel)
            made = await stub.Transcribe(TranscribeRequest(model="w", audio=Audio(content=wav(0.5))))
            assert (made.text, made.usage.audio_s, made.usage.cost_usd) == ("the river rose", 2.5, "0.000250000")
            assert made.segments[0].end.ToMilliseconds() == 2250

            plain = await client.post(PATH, data={"model": "w"}, files=sound())
            assert (plain.status_code, plain.headers["content-type"]) == (200, "application/json")
            assert plain.json()["text"] == "the river rose"
            assert plain.json()["usage"] == {"type": "duration", "seconds": 3}
            assert plain.json()["loupe"]["decision"]["provider"] == "a"
            timed = {"model": "w", "response_format": "verbose_json", "timestamp_granularities[]": "segment"}
            assert (await client.post(PATH, data=timed, files=sound())).json()["segments"][0]["end"] == 2.25
            subtitles = await client.post(PATH, data={"model": "w", "response_format": "vtt"}, files=sound())
            assert subtitles.headers["content-type"] == "text/vtt; charset=utf-8"
            assert subtitles.text == "WEBVTT\n\n00:00:00.500 --> 00:00:02.250\nthe river rose\n"
            # As large as OpenAI takes them, and larger than any message of gRPC.
            large = await client.post(PATH, data={"model": "w"}, files=sound(wav(0.5) + bytes(25 * 2**20 - 8044)))
            assert large.status_code == 200
            assert len(fake.asked[-1].body) > 25 * 2**20

            listed = {model.name: model for model in (await stub.ListModels(ListModelsRequest())).models}
            assert listed["a/w"].capabilities.transcription
            assert not listed["a/w"].capabilities.chat
            (total,) = (await stub.GetUsage(GetUsageRequest(model="w"))).rows
            assert (total.call_count, total.audio_s, total.cost_usd) == (5, 12.5, "0.001250000")


async def test_what_goes_wrong_with_a_recording_is_told_in_each_surface_s_own_words(home):
    async with fake_models(refusal(400, "Invalid or unsupported audio file.")) as fake:
        write_providers(home, fake, HEARD)
        async with running("router", home) as server, server.channel() as channel, openai(home, server.key) as client:
            stub = RouterServiceStub(channel)
            for model, content, kind in (
                ("w", b"no recording", UnsupportedMediaType),
                ("m", wav(0.1), NoCapableModel),
                ("w", wav(0.1), InvalidField),
            ):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await stub.Transcribe(TranscribeRequest(model=model, audio=Audio(content=content)))
                assert isinstance(from_rpc_error(caught.value), kind)

            async def error(status, *, data=None, **more):
                answer = await client.post(PATH, data=data or {"model": "w"}, **({"files": sound()} | more))
                assert answer.status_code == status, answer.text
                return answer.json()["error"]

            assert (await error(400, files=sound(b"no recording")))["code"] == "unsupported_media_type"
            assert (await error(400))["param"] == "audio"
            assert (await error(400, data={"model": "m"}))["code"] == "no_capable_model"
            assert (await error(400, data={"model": "w", "prompt": "Umm"}))["param"] == "prompt"
            assert (await error(404, data={"model": "gpt"}))["code"] == "not_found"
            assert (await error(401, headers={"authorization": "Bearer lk_wrong"}))["code"] == "invalid_api_key"
            assert (await error(429, files=sound(bytes(26 * 2**20))))["code"] == "too_large"
            wrong = await client.post(PATH, json={"model": "w"})
            assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "body")
