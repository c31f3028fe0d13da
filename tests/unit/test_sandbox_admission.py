"""Tokens that run once, and places that are bounded."""

from __future__ import annotations

import asyncio
import hashlib
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from loupe.sandbox.v1.sandbox_pb2 import RunSpec
from sandbox.admission import Places, TokenGate
from sandbox.used_tokens import InMemory
from servers.kit.errors import CodeNotAuthorized, Overloaded, TokenReplayed
from servers.kit.tokens import CodeClaims, sign_code_token

CRITIC, ORCHESTRATOR = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
SOURCE = "print(1)"


def gate(opened_ago_s: float = 10) -> TokenGate:
    used = InMemory(now=lambda: time.time() - opened_ago_s)
    return TokenGate(CRITIC.public_key(), ORCHESTRATOR.public_key(), used=used)


def token(*, needs_approval: bool = False, attempt: int = 1, issuer: str = "critic") -> str:
    sha256 = hashlib.sha256(SOURCE.encode()).hexdigest()
    claims = CodeClaims(sha256, "policy-1", "job-1", 2, attempt, needs_approval=needs_approval)
    return sign_code_token(CRITIC if issuer == "critic" else ORCHESTRATOR, claims, issuer=issuer)


async def test_a_token_is_used_up_by_its_first_run():
    one, spec = gate(), RunSpec(source=SOURCE, critic_token=token())
    assert (await one.admit(spec)).job_id == "job-1"
    with pytest.raises(TokenReplayed):
        await one.admit(spec)


async def test_a_token_older_than_the_sandbox_may_have_run_before_and_is_refused():
    with pytest.raises(TokenReplayed, match="older than this sandbox"):
        await gate(opened_ago_s=-30).admit(RunSpec(source=SOURCE, critic_token=token()))


async def test_an_approval_of_another_attempt_is_refused_and_uses_nothing_up():
    one = gate()
    spec = RunSpec(source=SOURCE, critic_token=token(needs_approval=True))
    spec.approval_token = token(attempt=2, issuer="orchestrator")
    with pytest.raises(CodeNotAuthorized, match="another step"):
        await one.admit(spec)
    spec.approval_token = token(issuer="orchestrator")
    await one.admit(spec)


async def test_one_approval_does_not_serve_two_runs():
    one, approval = gate(), token(issuer="orchestrator")
    await one.admit(RunSpec(source=SOURCE, critic_token=token(needs_approval=True), approval_token=approval))
    with pytest.raises(TokenReplayed, match="orchestrator"):
        await one.admit(RunSpec(source=SOURCE, critic_token=token(needs_approval=True), approval_token=approval))


async def test_a_critics_token_is_no_approval():
    spec = RunSpec(source=SOURCE, critic_token=token(needs_approval=True), approval_token=token())
    with pytest.raises(CodeNotAuthorized):
        await gate().admit(spec)


async def test_places_are_taken_in_turn_and_the_queue_is_bounded():
    places, order = Places(running=1, waiting=1), []

    async def second() -> None:
        async with places.take():
            order.append("second")

    async with places.take():
        task = asyncio.create_task(second())
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as refused:
            async with places.take():
                order.append("never")
        assert refused.value.retry_after_s == 5.0
        order.append("first")
    await task
    assert order == ["first", "second"]
    async with places.take():
        order.append("third")


async def test_giving_up_in_the_queue_frees_the_place_in_it():
    places = Places(running=1, waiting=1)

    async def wait() -> None:
        async with places.take():
            raise AssertionError

    async with places.take():
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        again = asyncio.create_task(wait())
        await asyncio.sleep(0)
        assert not again.done()
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)
