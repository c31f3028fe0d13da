"""What a call spent on models: noted, added up exactly, told with its errors, and put into words."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from loupe.orchestrator.v1.orchestrator_pb2 import Step, Thought
from loupe.reasoning.v1 import reasoning_pb2 as reasoning
from loupe.router.v1.router_pb2 import Attempt, RouteDecision, Usage
from loupe.type.v1.cost_pb2 import Cost
from loupe.type.v1.engine_pb2 import Engine
from servers.kit import spending
from servers.kit.errors import InvalidField, MalformedAnswer
from servers.kit.status import from_rpc_error, to_status
from servers.orchestrator import costs, degradation

USED = Usage(input_tokens=10, output_tokens=3, cached_input_tokens=4, cost_usd="0.100000001")
PAID = Cost(ask_count=1, input_tokens=10, output_tokens=3, cached_input_tokens=4, usd="0.100000001")
PLANNER = Engine(name="builtin", revision="1")


@pytest.fixture(autouse=True)
def _in_a_call() -> None:
    spending.begin()


def test_a_call_that_asks_no_model_spends_nothing():
    assert spending.spent() == Cost()


def test_an_ask_is_not_known_until_its_answer_tells():
    cost = spending.asking()
    assert spending.spent() == Cost(ask_count=1, untold_ask_count=1)
    spending.told(cost, USED, RouteDecision(attempts=[Attempt(provider="gpu")]))
    assert spending.spent() == PAID


async def test_what_parts_of_a_call_ask_side_by_side_is_the_calls():
    async def ask() -> None:
        spending.told(spending.asking(), USED, RouteDecision())

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(ask())
    assert spending.spent().usd == "0.300000003"
    assert (spending.spent().ask_count, spending.spent().input_tokens) == (3, 30)


def test_an_answer_from_the_cache_costs_nothing_whatever_it_cost_first():
    usage = Usage(audio_s=2.5, is_estimated=True, cost_usd="0.000000000")
    spending.told(spending.asking(), usage, RouteDecision(is_cache_hit=True))
    assert spending.spent() == Cost(ask_count=1, cache_hit_count=1, usd="0.000000000")


def test_an_ask_with_another_beside_it_is_not_wholly_known():
    beside = RouteDecision(attempts=[Attempt(provider="slow"), Attempt(provider="quick", is_hedge=True)])
    spending.told(spending.asking(), USED, beside)
    assert spending.spent().untold_ask_count == 1
    assert spending.spent().usd == "0.100000001"


def test_a_model_without_a_price_adds_no_money():
    local = Cost(ask_count=1, input_tokens=7)
    assert spending.total([local, local]) == Cost(ask_count=2, input_tokens=14)
    assert spending.total([local, PAID]).usd == "0.100000001"


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        (Cost(), "no model was asked"),
        (Cost(ask_count=1, input_tokens=40, output_tokens=12), "1 ask of models: no price (40 tokens in, 12 out)"),
        (Cost(ask_count=2, untold_ask_count=2), "2 asks of models, not counted: see the router's ledger"),
        (
            Cost(ask_count=2, input_tokens=1200, output_tokens=3, is_estimated=True, usd="1.500000000"),
            "2 asks of models: $1.50 (1,200 tokens in, 3 out, in part estimated)",
        ),
        (
            Cost(ask_count=3, audio_s=2.5, cache_hit_count=1, untold_ask_count=1, usd="0.000152400"),
            "3 asks of models: $0.0001524 (0 tokens in, 0 out; 2.5 s of sound; 1 answered from the cache; "
            "1 not counted, see the router's ledger)",
        ),
    ],
)
def test_a_cost_in_words(cost, words):
    assert spending.in_words(cost) == words


class _Failed:
    """A call of gRPC that ended with a status."""

    def __init__(self, status: Any) -> None:
        self._status = status

    def code(self) -> Any:
        return self._status.code

    def details(self) -> str:
        return str(self._status.details)

    def trailing_metadata(self) -> Any:
        return self._status.trailing_metadata


@pytest.mark.parametrize("error", [MalformedAnswer("of no use"), InvalidField("analysis", "is wrong")])
def test_an_error_tells_what_was_spent_in_vain(error):
    error.cost = PAID
    status = to_status(error, request_id="r")
    assert from_rpc_error(cast(Any, _Failed(status))).cost == PAID
    error.cost = Cost()
    status = to_status(error, request_id="r")
    assert "Cost" not in str(status.trailing_metadata)
    assert from_rpc_error(cast(Any, _Failed(status))).cost is None


def _job(cost: Cost | None, *, attempt: int = 1, engine: Engine = PLANNER) -> list[Step]:
    """A job that planned, and wrote a program."""
    write = reasoning.Action(write_code=reasoning.WriteCode())
    written = reasoning.Observation(code=reasoning.CodeWritten(source="x"))
    return [
        Step(attempt=attempt, thought=Thought(engine=engine), cost=cost),
        Step(attempt=attempt, action=write),
        Step(attempt=attempt, observation=written, cost=cost),
    ]


def test_a_jobs_cost_is_that_of_its_own_steps():
    assert costs.of_job([*_job(PAID, attempt=0), *_job(PAID)]) == spending.total([PAID, PAID])
    assert costs.by_server(_job(PAID)) == {"reasoning": PAID, "codegen": PAID}
    assert costs.by_server(_job(PAID, attempt=0)) == {}


def test_what_was_asked_in_vain_counts_for_who_was_asked():
    failed = Step(attempt=1, cost=PAID)
    failed.incident.summary = "the codegen server failed"
    plan, write, written = _job(Cost())
    assert costs.by_server([plan, write, failed, written]) == {"reasoning": Cost(), "codegen": PAID}
    assert costs.by_server([failed, plan]) == {"reasoning": PAID}


def test_steps_of_a_release_that_noted_no_cost_are_unknown_and_not_free():
    assert costs.of_job(_job(None)) is None
    assert costs.by_server([*_job(None), *_job(PAID)]) == {"reasoning": None, "codegen": None}
    assert costs.of_job([]) == Cost()


def test_the_policy_that_stands_in_for_a_planner_asks_nobody():
    assert costs.of_job(_job(None, engine=degradation.ENGINE)[:1]) == Cost()
