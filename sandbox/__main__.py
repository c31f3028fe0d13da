"""Starts the sandbox: `python -m sandbox`."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import ValidationError

from loupe.sandbox.v1.sandbox_pb2 import RunCodeResponse
from loupe.sandbox.v1.sandbox_service_pb2_grpc import add_SandboxServiceServicer_to_server
from sandbox import cgroups, metrics, policy, runtime
from sandbox.admission import TokenGate
from sandbox.config import Settings
from sandbox.lifetimes import Relays
from sandbox.runners.choice import choose
from sandbox.service import Sandbox
from sandbox.servicer import SandboxServicer
from sandbox.sessions import Sessions
from sandbox.uids import UidPool
from sandbox.used_tokens import InFolder, InMemory
from servers.kit import config, serve
from servers.kit.errors import NotReady
from servers.kit.mesh import Mesh

log = logging.getLogger(__name__)


@asynccontextmanager
async def build(settings: Settings, mesh: Mesh) -> AsyncIterator[serve.Registration]:
    """Find the runtime and the runner, and prove that a sandbox holds here before serving."""
    try:
        found = runtime.find(settings.runtime_dir)
        chosen = policy.load(settings.policy_file)
        uids = UidPool(settings.first_uid, settings.uid_count)
    except runtime.RuntimeMissing as missing:
        raise NotReady(str(missing)) from missing
    except (OSError, ValueError, ValidationError) as error:
        raise NotReady(f"LOUPE_SANDBOX_POLICY_FILE or LOUPE_SANDBOX_FIRST_UID: {error}") from error
    hierarchy = cgroups.find()
    if hierarchy:
        hierarchy.sweep()
    runner = await choose(settings.runner, chosen, found, hierarchy, uids, settings.warm_sandboxes)
    log.info(
        "sandbox proven",
        extra={"runner": f"{runner.name} {runner.version}", "enforced_by": sorted(set(runner.enforced_by.values()))},
    )
    sessions = Sessions(runner, chosen.limits, most=settings.sessions, longest_lease_s=settings.session_lease_s)
    sandbox = Sandbox(
        runner=runner,
        runtime=found,
        policy=chosen,
        gate=TokenGate(
            settings.keys.public("critic"),
            settings.keys.public("orchestrator"),
            used=InFolder(settings.used_tokens_dir) if settings.used_tokens_dir else InMemory(),
            operator_key=_public_key(settings.operator_public_key) if settings.operator_public_key else None,
        ),
        concurrent_runs=settings.concurrent_runs,
        queued_runs=settings.queued_runs,
        input_timeout_s=settings.input_timeout_s,
        sessions=sessions,
    )
    relays: Relays[RunCodeResponse] = Relays()
    runner.warm_up()
    try:
        with metrics.exported(sandbox.load, settings.otlp_endpoint):
            yield serve.Registration(add_SandboxServiceServicer_to_server, SandboxServicer(sandbox, relays))
    finally:
        await relays.close()
        await sessions.close_all()
        await runner.close()


def _public_key(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise NotReady(f"LOUPE_SANDBOX_OPERATOR_PUBLIC_KEY: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise NotReady(f"LOUPE_SANDBOX_OPERATOR_PUBLIC_KEY: {path} is not an Ed25519 key")
    log.warning("this sandbox runs what its operator signs, unreviewed")
    return key


if __name__ == "__main__":
    serve.run("sandbox", config.load(Settings), build)
