"""What only Triton has: tensors of embeddings, models that are loaded on demand, and models that keep no contract."""

from __future__ import annotations

import shutil

import pytest
import pytest_asyncio

from loupe.router.v1.router_pb2 import EmbedRequest, Switches
from servers.kit.errors import InvalidField, UpstreamUnavailable
from tests.conformance.servers import ENGINES, triton_server
from tests.routing import provider, routing

ONCE = Switches(retry=False)
MODELS = ({"name": "chat"}, {"name": "embed", "serves": "embeddings"}, {"name": "none"}, {"name": "other"})

# A model whose tensors are others than the contract's.
OTHER = """name: "other"
backend: "python"
max_batch_size: 0
input [ { name: "text_input", data_type: TYPE_STRING, dims: [ 1 ] } ]
output [ { name: "text_output", data_type: TYPE_STRING, dims: [ 1 ] } ]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(module_home):
    made = triton_server(module_home)
    other = module_home / "repository" / "other"
    shutil.copytree(ENGINES / "triton_repository" / "embed", other)
    (other / "config.pbtxt").write_text(OTHER)
    await made.start()
    yield made
    await made.kill()


def at(server, model_control="load_and_unload"):
    return provider("t", f"grpc://127.0.0.1:{server.port}", *MODELS, kind="triton", model_control=model_control)


async def test_models_are_loaded_for_their_first_question_and_unloaded_at_the_end(server, home):
    async with routing(home, at(server, "none")) as it:
        with pytest.raises(UpstreamUnavailable, match="no model 'chat' that is ready"):
            await it.complete(model="chat", switches=ONCE)
    async with routing(home, at(server)) as it:
        assert (await it.complete(model="chat")).text
        request = EmbedRequest(model="embed", inputs=["tea", "a coat", "otter"])
        vectors = [list(one.values) for one in (await it.router.embed(request)).embeddings]
        # How often each text has e, t, a and o.
        assert vectors == [[1, 1, 1, 0], [0, 1, 2, 1], [1, 2, 0, 1]]
    async with routing(home, at(server, "none")) as it:
        with pytest.raises(UpstreamUnavailable, match="no model 'chat' that is ready"):
            await it.complete(model="chat", switches=ONCE)


async def test_a_model_that_is_not_there_and_one_that_keeps_no_contract_are_told_apart(server, home):
    async with routing(home, at(server)) as it:
        with pytest.raises(UpstreamUnavailable, match="can't be made ready"):
            await it.complete(model="none", switches=ONCE)
        with pytest.raises(InvalidField, match="no input 'request' of BYTES"):
            await it.complete(model="other", switches=ONCE)
