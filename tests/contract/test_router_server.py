"""The router, asked as a client asks, over gRPC and in OpenAI's format."""

from __future__ import annotations

import asyncio
import json

import grpc
import httpx
import pytest

from loupe.router.v1 import router_pb2
from loupe.router.v1.router_pb2 import (
    CompleteRequest,
    EndState,
    EraseOwnerRequest,
    GetUsageRequest,
    ListBudgetsRequest,
    ListModelsRequest,
    Message,
    MessageRole,
    Part,
    StreamCompleteRequest,
    Switches,
)
from loupe.router.v1.router_service_pb2_grpc import RouterServiceStub
from loupe.type.v1.access_pb2 import Role
from servers.kit.errors import BudgetExhausted, InvalidField, NotFound, NotReady
from servers.kit.keys import KeyFolder
from servers.kit.status import from_rpc_error
from servers.kit.tokens import ServiceClaims, sign_service_token
from tests.fake_models import BEGUN, HELLO, fake_models, http, in_two, raw, refusal, silence, whole
from tests.running import running

HI = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def write_providers(home, fake, more=""):
    (home / "router.toml").write_text(
        f'[[providers]]\nname = "a"\nkind = "openai"\nbase_url = "{fake.base_url}"\nstall_timeout_s = 0.5\n'
        '[[providers.models]]\nname = "m"\ninput_usd_per_mtok = "1"\noutput_usd_per_mtok = "2"\n'
        '[[providers.models]]\nname = "e"\nserves = "embeddings"\n' + more
    )


def ask(text="Hi", model="m"):
    message = Message(role=MessageRole.MESSAGE_ROLE_USER, parts=[Part(text=text)])
    return CompleteRequest(model=model, messages=[message])


def openai(home, key):
    """A client of the OpenAI-compatible surface, on its socket."""
    transport = httpx.AsyncHTTPTransport(uds=str(home / "run" / "openai.sock"))
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(base_url="http://loupe/v1", transport=transport, headers=headers, timeout=30)


def events(text):
    """The data of a stream's events."""
    return [line.removeprefix("data: ") for line in text.split("\n\n") if line]


async def test_both_surfaces_answer_and_one_ledger_knows_it_all_after_a_kill(home):
    async with fake_models(whole()) as fake:
        write_providers(home, fake, '[[budgets]]\nname = "all"\nlimit_usd = "1"\n')
        async with running("router", home) as server, server.channel() as channel, openai(home, server.key) as client:
            stub = RouterServiceStub(channel)
            made = (await stub.Complete(ask())).completion
            assert (made.text, made.usage.cost_usd, made.decision.provider) == ("Hello.", "0.000016000", "a")

            answer = await client.post("/chat/completions", json=HI)
            body = answer.json()
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
            assert body["choices"][0]["message"] == {"role": "assistant", "content": "Hello."}
            assert body["choices"][0]["finish_reason"] == "stop"
            assert body["usage"]["total_tokens"] == 13
            assert body["loupe"]["decision"]["provider"] == "a"
            # The caller's key is ours alone.
            assert [asked.headers.get("authorization") for asked in fake.asked] == [None, None]

            fake.says(raw(HELLO))
            responses = [response async for response in stub.StreamComplete(StreamCompleteRequest(request=ask()))]
            assert [one.delta.text for one in responses[:-1]] == ["Hel", "lo."]
            assert responses[-1].end.state == EndState.END_STATE_COMPLETE
            streamed = await client.post(
                "/chat/completions", json=HI | {"stream": True, "stream_options": {"include_usage": True}}
            )
            assert streamed.headers["content-type"].startswith("text/event-stream")
            *chunks, count, done = events(streamed.text)
            deltas = [json.loads(chunk)["choices"][0] for chunk in chunks]
            assert deltas[0]["delta"] == {"role": "assistant", "content": "Hel"}
            assert "".join(one["delta"].get("content", "") for one in deltas) == "Hello."
            assert deltas[-1]["finish_reason"] == "stop"
            assert json.loads(count)["usage"]["prompt_tokens"] == 10
            assert done == "[DONE]"

            listed = await stub.ListModels(ListModelsRequest())
            assert [model.name for model in listed.models] == ["a/m", "a/e"]
            assert [model["id"] for model in (await client.get("/models")).json()["data"]] == ["a/m", "a/e"]
            (budget,) = (await stub.ListBudgets(ListBudgetsRequest())).budgets
            assert (budget.spent_usd, budget.limit_usd) == ("0.000064000", "1.000000000")
            server.process.kill()
            await server.process.wait()
        async with running("router", home) as server, server.channel() as channel:
            (total,) = (await RouterServiceStub(channel).GetUsage(GetUsageRequest())).rows
            assert (total.call_count, total.cost_usd, total.is_estimated) == (4, "0.000064000", False)


async def test_an_erased_owner_is_nowhere_also_after_a_kill_and_the_bill_is_as_it_was(home):
    async with fake_models() as fake:
        write_providers(home, fake, '[[budgets]]\nname = "all"\nlimit_usd = "1"\n')
        mine = CompleteRequest(model="m", messages=ask().messages, job_id="job_of_mine", switches=Switches(cache=True))

        async def erased(stub) -> list[tuple[str, int]]:
            messages = [message async for message in stub.EraseOwner(EraseOwnerRequest(owner="local"))]
            proofs = [(proof.erasure_id, proof.ask_count) for message in messages for proof in message.ledger.asks]
            assert messages[-1].total.ask_count == sum(count for _, count in proofs)
            return proofs

        async with running("router", home) as server, server.channel() as channel:
            stub = RouterServiceStub(channel)
            for _ in range(3):  # the second and third from the cache
                await stub.Complete(mine)
            proofs = await erased(stub)
            assert [count for _, count in proofs] == [3]
            assert await erased(stub) == proofs
            assert "job_of_mine" not in everything_in(home)
            (total,) = (await stub.GetUsage(GetUsageRequest())).rows
            assert total.call_count == 0
            assert not (await stub.Complete(mine)).completion.decision.is_cache_hit
            assert len(fake.asked) == 2
            server.process.kill()
            await server.process.wait()
        async with running("router", home) as server, server.channel() as channel:
            stub = RouterServiceStub(channel)
            (budget,) = (await stub.ListBudgets(ListBudgetsRequest())).budgets
            assert budget.spent_usd == "0.000032000"
            (total,) = (await stub.GetUsage(GetUsageRequest())).rows
            assert (total.call_count, total.cost_usd) == (1, "0.000016000")
            assert sorted(count for _, count in await erased(stub)) == [1, 3]
            assert "job_of_mine" not in everything_in(home)
            claims = ServiceClaims("orchestrator", "router", "local", Role.ROLE_ANALYST)
            token = sign_service_token(KeyFolder(home / "keys").private("orchestrator"), claims)
            async with server.channel(key=token) as others:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await erased(RouterServiceStub(others))
            assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED


def everything_in(home):
    """What is on a disk of the router's, read as text."""
    return "".join(path.read_bytes().decode("latin-1") for path in home.rglob("router*") if path.is_file()) + "".join(
        path.read_bytes().decode("latin-1") for path in (home / "router-journal").iterdir()
    )


async def test_failures_come_in_each_surfaces_own_words(home):
    async with fake_models() as fake:
        write_providers(home, fake, '[[budgets]]\nname = "tiny"\nscope = "job"\nlimit_tokens = 0\n')
        async with running("router", home) as server, server.channel() as channel, openai(home, server.key) as client:
            stub = RouterServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Complete(ask(model="gpt"))
            assert isinstance(from_rpc_error(caught.value), NotFound)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Complete(CompleteRequest(model="m"))
            assert isinstance(from_rpc_error(caught.value), InvalidField)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Complete(CompleteRequest(model="m", messages=ask().messages, job_id="job_1"))
            assert isinstance(from_rpc_error(caught.value), BudgetExhausted)

            async def error(body, status, **more):
                answer = await client.post("/chat/completions", content=body, **more)
                assert answer.status_code == status, answer.text
                return answer.json()["error"], answer.headers

            assert (await error(b"{", 400))[0]["param"] == "body"
            assert (await error(json.dumps(HI | {"top_k": 1}), 400))[0]["param"] == "top_k"
            assert (await error(json.dumps(HI | {"model": "gpt"}), 404))[0]["code"] == "not_found"
            spent = HI | {"loupe": {"job_id": "job_1"}}
            assert (await error(json.dumps(spent), 429))[0]["code"] == "insufficient_quota"
            wrong_key = {"headers": {"authorization": "Bearer lk_wrong"}}
            assert (await error(json.dumps(HI), 401, **wrong_key))[0]["code"] == "invalid_api_key"
            assert (await error(b" " * 9_000_000, 429))[0]["code"] == "too_large"
            assert (await client.get("/nothing")).status_code == 404
            fake.says(refusal(429, "no", "retry-after: 7"))
            busy, headers = await error(json.dumps(HI), 429)
            assert (busy["type"], headers["retry-after"]) == ("rate_limit_error", "7")
            assert len(fake.asked) == 1


async def test_a_stream_that_breaks_off_has_no_done_and_one_that_nobody_hears_is_hung_up_on(home):
    async with fake_models(in_two(BEGUN)) as fake:
        write_providers(home, fake)
        async with running("router", home) as server, openai(home, server.key) as client:
            broken = await client.post("/chat/completions", json=HI | {"stream": True})
            first, last = events(broken.text)
            assert json.loads(first)["choices"][0]["delta"]["content"] == "Hel"
            assert json.loads(last)["error"]["type"] == "incomplete"
            assert json.loads(last)["error"]["code"] == "malformed"

            fake.says(silence(BEGUN))
            async with client.stream("POST", "/chat/completions", json=HI | {"stream": True}) as answer:
                await anext(answer.aiter_bytes())
            await asyncio.wait_for(fake.gone.wait(), 10)
            fake.says(silence())
            waiting = asyncio.create_task(client.post("/chat/completions", json=HI))
            await asyncio.wait_for(fake.came.wait(), 10)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await asyncio.wait_for(fake.gone.wait(), 10)


async def test_embeddings_come_as_numbers_or_as_base64(home):
    body = {"data": [{"index": 0, "embedding": [1.0, -0.5]}], "usage": {"prompt_tokens": 4}}
    async with fake_models(raw(http(200, json.dumps(body).encode()))) as fake:
        write_providers(home, fake)
        async with running("router", home) as server, server.channel() as channel, openai(home, server.key) as client:
            made = await RouterServiceStub(channel).Embed(router_pb2.EmbedRequest(model="e", inputs=["Hi"]))
            assert list(made.embeddings[0].values) == [1.0, -0.5]
            plain = (await client.post("/embeddings", json={"model": "e", "input": "Hi"})).json()
            assert plain["data"][0]["embedding"] == [1.0, -0.5]
            packed = await client.post("/embeddings", json={"model": "e", "input": ["Hi"], "encoding_format": "base64"})
            assert packed.json()["data"][0]["embedding"] == "AACAPwAAAL8="


async def test_a_wrong_file_keeps_the_server_from_serving_and_is_told_to_callers(home):
    (home / "router.toml").write_text("[[providers]]\nname = 'a'\n")
    async with running("router", home, serving=False) as server, server.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await RouterServiceStub(channel).ListModels(ListModelsRequest())
        error = from_rpc_error(caught.value)
        assert isinstance(error, NotReady)
        assert "providers[0].base_url: Field required" in error.message
