"""Starts the orchestrator: `python -m servers.orchestrator`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from loupe.orchestrator.v1.orchestrator_service_pb2_grpc import add_OrchestratorServiceServicer_to_server
from servers.kit import config, serve
from servers.kit.database import open_database
from servers.kit.mesh import Mesh
from servers.orchestrator.bundle import Bundler
from servers.orchestrator.coding import Coding
from servers.orchestrator.config import Settings
from servers.orchestrator.control import Control
from servers.orchestrator.journal import Journal
from servers.orchestrator.loop import Loop
from servers.orchestrator.peers import Peers
from servers.orchestrator.record import Record
from servers.orchestrator.servicer import OrchestratorServicer
from servers.orchestrator.tails import Tails
from servers.orchestrator.webhooks import Webhooks
from servers.orchestrator.workers import Workers


@asynccontextmanager
async def build(settings: Settings, mesh: Mesh) -> AsyncIterator[serve.Registration]:
    """Open the journal, take up what an earlier process left, and work."""
    tails = Tails()
    migrations = Path(__file__).parent / "migrations"
    async with open_database(settings.records_of("orchestrator"), migrations) as engine:
        journal = Journal(engine, tails)
        peers = Peers.of(mesh)
        job_limits = {
            "deadline_s": settings.job_deadline_s,
            "max_steps": settings.max_steps,
            "max_repairs": settings.max_repairs,
            "max_artifact_mib": settings.max_artifact_mib,
        }
        key = settings.keys.private("orchestrator")
        record = Record(journal)
        bundler = Bundler(peers.files, peers.sandbox, job_limits=job_limits)
        coding = Coding(record, peers, key, max_artifact_bytes=settings.max_artifact_mib * 2**20)
        loop = Loop(record, peers, coding, bundler, max_steps=settings.max_steps, max_repairs=settings.max_repairs)
        workers = Workers(
            journal,
            loop,
            count=settings.worker_count,
            queue_size=settings.queue_size,
            job_deadline_s=settings.job_deadline_s,
        )
        webhooks = Webhooks(journal, key)
        hosts = frozenset(host.strip() for host in settings.webhook_hosts.split(",") if host.strip())
        try:
            webhooks.start()
            await workers.recover()
            control = Control(journal, workers)
            servicer = OrchestratorServicer(
                journal, workers, control, tails, peers, heartbeat_s=settings.heartbeat_s, webhook_hosts=hosts
            )
            yield serve.Registration(add_OrchestratorServiceServicer_to_server, servicer)
        finally:
            await workers.close()
            await webhooks.close()


if __name__ == "__main__":
    serve.run("orchestrator", config.load(Settings), build)
