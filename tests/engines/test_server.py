"""A server of the mesh with a model's weights in its own process: what it says of it, and who stands in."""

from __future__ import annotations

from loupe.reasoning.v1.reasoning_pb2 import GetEngineRequest
from loupe.reasoning.v1.reasoning_service_pb2_grpc import ReasoningServiceStub
from loupe.type.v1.engine_pb2 import EngineState
from servers.kit.models import weights
from servers.kit.models.weights_folder import FolderSource
from tests.conformance.rigs import TINY_MODELS
from tests.contract.test_reasoning_server import asked
from tests.running import running


async def test_a_pulled_model_is_loaded_at_the_first_question_and_the_rules_stand_in_for_its_nonsense(home):
    pulled = weights.pull(home, "team/mistral", FolderSource(TINY_MODELS / "mistral"))
    environment = {
        "LOUPE_REASONING_ENGINE": "transformers",
        "LOUPE_REASONING_MODEL": "team/mistral",
        "LOUPE_REASONING_FALLBACK": "builtin",
        "LOUPE_REASONING_MAX_OUTPUT_TOKENS": "32",
    }
    async with running("reasoning", home, environment) as server, server.channel() as channel:
        stub = ReasoningServiceStub(channel)
        status = (await stub.GetEngine(GetEngineRequest())).engine
        assert status.state == EngineState.ENGINE_STATE_STARTING
        assert (status.engine.model, status.engine.revision) == ("team/mistral", pulled.revision)
        reply = await stub.DecideNextAction(asked("Which bar is the tallest?"))
        # Random weights plan nothing: the builtin planner answers, and says for whom.
        assert reply.action.write_code.analysis.operations
        assert reply.engine.name == "builtin"
        assert reply.engine.degraded_reason.startswith("team/mistral could not answer: ")
        status = (await stub.GetEngine(GetEngineRequest())).engine
        assert status.state == EngineState.ENGINE_STATE_DEGRADED
        assert 0.1 < status.memory_mib < 5
