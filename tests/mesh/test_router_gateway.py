"""The OpenAI-compatible surface and the router's own, through a real Envoy."""

from __future__ import annotations

import asyncio
import base64
import json

import httpx

from loupe.router.v1.router_pb2 import ListModelsRequest
from loupe.router.v1.router_service_pb2_grpc import RouterServiceStub
from tests.contract.gateway_servers import gateway_to
from tests.contract.test_router_server import HI, events, write_providers
from tests.contract.test_router_transcriptions import HEARD, PATH, SAID, sound
from tests.fake_models import BEGUN, HELLO, fake_models, http, in_two, raw, refusal, silence, whole
from tests.recordings import wav
from tests.running import channel_with_key, running


async def test_every_path_of_the_router_works_through_the_gateway(home):
    router, openai = f"unix:{home}/run/router.sock", f"unix:{home}/run/openai.sock"
    async with fake_models(whole()) as fake:
        write_providers(home, fake, HEARD)
        async with (
            running("router", home, listen=router) as server,
            gateway_to(home, router, openai_address=openai) as gateway,
            httpx.AsyncClient(
                base_url=gateway.base_url, headers={"authorization": f"Bearer {server.key}"}, timeout=30
            ) as client,
        ):
            async with channel_with_key(gateway.address, server.key) as channel:
                # Envoy knows by now that the router is healthy.
                await RouterServiceStub(channel).ListModels(ListModelsRequest(), wait_for_ready=True)

            answer = await client.post("/v1/chat/completions", json=HI)
            assert answer.json()["choices"][0]["message"]["content"] == "Hello."
            assert (await client.get("/v1/models")).json()["data"][0]["id"] == "a/m"
            typed: dict[str, object] = {
                "model": "m",
                "messages": [{"role": "MESSAGE_ROLE_USER", "parts": [{"text": "Hi"}]}],
            }
            rest = await client.post("/v1/router:complete", json=typed)
            assert rest.json()["completion"]["text"] == "Hello."
            assert (await client.get("/v1/router/usage")).json()["rows"][0]["cost_usd"] == "0.000032000"
            assert (await client.get("/v1/router/models")).json()["models"][0]["name"] == "a/m"

            nested = "- a\n" + "".join(f"{'  ' * depth}- a\n" for depth in range(1, 8))
            made = (await client.post("/v1/router:convert", json={"markdown": nested})).json()["document"]
            back = await client.post("/v1/router:convert", json={"document": made})
            assert back.json()["markdown"].count("a\n") == 8
            wrong = await client.post("/v1/router:convert", json={"answer": "{'a': 1}"})
            assert (wrong.status_code, wrong.json()["details"][0]["reason"]) == (400, "INVALID_FIELD")

            fake.says(raw(HELLO))
            streamed = await client.post("/v1/chat/completions", json=HI | {"stream": True})
            assert events(streamed.text)[-1] == "[DONE]"
            typed_stream = await client.post(
                "/v1/router:streamComplete", json={"request": typed}, headers={"accept": "text/event-stream"}
            )
            *_, last = events(typed_stream.text)
            assert json.loads(last)["end"]["state"] == "END_STATE_COMPLETE"

            # A piece is there before the answer is over.
            fake.says(silence(BEGUN))
            async with client.stream("POST", "/v1/chat/completions", json=HI | {"stream": True}) as response:
                first = await anext(response.aiter_text())
                assert json.loads(events(first)[0])["choices"][0]["delta"]["content"] == "Hel"
            await asyncio.wait_for(fake.gone.wait(), 10)
            fake.says(in_two(BEGUN))
            broken = await client.post("/v1/chat/completions", json=HI | {"stream": True})
            assert json.loads(events(broken.text)[-1])["error"]["type"] == "incomplete"

            fake.says(raw(http(200, json.dumps(SAID).encode())))
            recording = wav(0.5) + bytes(10_000_000)
            heard = await client.post("/v1" + PATH, data={"model": "w"}, files=sound(recording))
            assert heard.json()["text"] == "the river rose"
            spoken: dict[str, object] = {"model": "w", "audio": {"content": base64.b64encode(wav(0.5)).decode()}}
            rest = await client.post("/v1/router:transcribe", json=spoken)
            assert (rest.json()["segments"][0]["end"], rest.json()["usage"]["audio_s"]) == ("2.250s", 2.5)
            large = await client.post("/v1" + PATH, data={"model": "w"}, files=sound(bytes(27_000_000)))
            assert large.status_code == 413

            fake.says(refusal(429, "no", "retry-after: 7"))
            busy = await client.post("/v1/chat/completions", json=HI)
            assert (busy.status_code, busy.headers["retry-after"]) == (429, "7")
            assert busy.json()["error"]["type"] == "rate_limit_error"
            nobody = await client.post("/v1/chat/completions", json=HI, headers={"authorization": "Bearer lk_x"})
            assert (nobody.status_code, nobody.json()["error"]["code"]) == (401, "invalid_api_key")
            assert (await client.get("/v1/chat/completions")).status_code == 405
            large = await client.post("/v1/chat/completions", content=b" " * 9_000_000)
            assert large.status_code == 413
