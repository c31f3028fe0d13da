"""Starts the critic: `python -m servers.critic`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial

from loupe.critic.v1 import critic_service_pb2_grpc
from loupe.critic.v1.critic_pb2 import Severity
from servers.critic.advice import AdvisedReviewer, Weight
from servers.critic.checkers import bandit, ruff
from servers.critic.checkers.ast_policy import check_policy
from servers.critic.config import Settings
from servers.critic.policy import load_policy
from servers.critic.review import InThread, Reviewer, policy_version
from servers.critic.servicer import CriticServicer, Judge
from servers.kit import config, serve
from servers.kit.mesh import Mesh
from servers.kit.models.opening import open_model
from servers.kit.tokens import sign_code_token


@asynccontextmanager
async def build(settings: Settings, mesh: Mesh) -> AsyncIterator[serve.Registration]:
    """Load the policy, start ruff and yield the servicer."""
    policy = load_policy()
    ruff_server = ruff.RuffServer(policy.data.ruff, timeout_s=settings.ruff_timeout_s)
    # One thread: parsing silences warnings for the whole process, and Python runs one of them at a time anyway.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="review") as executor:
        try:
            await ruff_server.start()
            checkers = (
                InThread(partial(check_policy, policy=policy), executor),
                ruff_server,
                InThread(bandit.BanditScanner(policy.data.bandit).scan, executor),
            )
            version = policy_version(policy.version, (ruff.VERSION, bandit.VERSION))
            reviewer = Reviewer(version, checkers, executor, timeout_s=settings.review_timeout_s)
            sign = partial(sign_code_token, settings.keys.private("critic"), issuer="critic")
            async with _advised(settings, mesh, reviewer) as judging:
                yield serve.Registration(
                    critic_service_pb2_grpc.add_CriticServiceServicer_to_server, CriticServicer(judging, sign)
                )
        finally:
            await ruff_server.close()


@asynccontextmanager
async def _advised(settings: Settings, mesh: Mesh, reviewer: Reviewer) -> AsyncIterator[Judge]:
    """Yield the reviewer, with a model's review on top where one is configured."""
    model = open_model(settings, mesh)
    if model is None:
        yield reviewer
        return
    weight = Weight(Severity.Value(f"SEVERITY_{settings.model_severity.upper()}"), settings.model_denies)
    goes_on = settings.fallback == "builtin"
    advised = AdvisedReviewer(reviewer, model, settings.limits, weight, goes_on_without=goes_on)
    try:
        await advised.start()
        yield advised
    finally:
        await advised.close()


if __name__ == "__main__":
    serve.run("critic", config.load(Settings), build)
