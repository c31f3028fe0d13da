"""Puts the parts of an orchestrator together, for the server and for workers of their own."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from servers.kit.database import open_database
from servers.kit.ids import new_id
from servers.kit.mesh import Mesh
from servers.kit.metrics import counting
from servers.orchestrator.backlog import Backlog
from servers.orchestrator.bundle import Bundler
from servers.orchestrator.caretaker import Caretaker
from servers.orchestrator.claims import Claims
from servers.orchestrator.coding import Coding
from servers.orchestrator.config import Settings
from servers.orchestrator.journal import Journal
from servers.orchestrator.loop import Loop
from servers.orchestrator.notices import Notices
from servers.orchestrator.patient_files import PatientFiles
from servers.orchestrator.peers import Peers
from servers.orchestrator.record import Record
from servers.orchestrator.removal import Removal
from servers.orchestrator.retention import Retention
from servers.orchestrator.retries import Recovery
from servers.orchestrator.shared_tails import SharedTails
from servers.orchestrator.tails import Tails
from servers.orchestrator.webhooks import Webhooks
from servers.orchestrator.workers import Workers

_RETIRE_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What callers are answered with."""

    journal: Journal
    backlog: Backlog
    removal: Removal
    tails: Tails
    peers: Peers


@asynccontextmanager
async def working(settings: Settings, mesh: Mesh) -> AsyncIterator[Parts]:
    """Open the records, work on jobs and tell of them until the block ends."""
    where = settings.records_of("orchestrator")
    async with open_database(where, Path(__file__).parent / "migrations") as engine, AsyncExitStack() as stack:
        # Only this process has a file open; a schema has others.
        tails = Tails() if isinstance(where, Path) else SharedTails(settings.redis_url.get_secret_value())
        stack.push_async_callback(tails.close)
        await tails.start()
        journal = Journal(engine, tails)
        backlog = Backlog(
            journal,
            tails,
            queue_size=settings.queue_size,
            owner_queue_size=settings.owner_queue_size,
            job_deadline_s=settings.job_deadline_s,
        )
        claims = Claims(engine, _name(), lease_s=settings.lease_s, default_deadline_s=settings.job_deadline_s)
        peers = Peers.of(mesh)
        webhooks = Webhooks(Notices(engine), settings.keys.private("orchestrator"))
        stack.push_async_callback(webhooks.close)
        webhooks.start()
        caretaker = Caretaker(journal, backlog, claims)
        stack.push_async_callback(caretaker.close)
        caretaker.start()
        removal = Removal(engine)
        retention = Retention(
            removal,
            peers,
            stack.enter_context(counting("orchestrator", settings.otlp_endpoint)),
            keep_days=settings.keep_days,
            keep_uploads_days=settings.keep_uploads_days,
            tidy_after_s=settings.tidy_after_s,
            every_s=min(_RETIRE_EVERY_S, settings.tidy_after_s),
        )
        stack.push_async_callback(retention.close)
        retention.start()
        if settings.worker_count:
            loop = _loop(settings, journal, replace(peers, files=PatientFiles(mesh.channel("files"))))
            recovery = Recovery(mesh, within_s=settings.retry_within_s)
            workers = Workers(journal, backlog, claims, tails, loop, recovery, count=settings.worker_count)
            stack.push_async_callback(workers.close)
            await workers.start()
        yield Parts(journal, backlog, removal, tails, peers)


def _loop(settings: Settings, journal: Journal, peers: Peers) -> Loop:
    job_limits = {
        "deadline_s": settings.job_deadline_s,
        "max_steps": settings.max_steps,
        "max_repairs": settings.max_repairs,
        "max_artifact_mib": settings.max_artifact_mib,
    }
    record = Record(journal)
    key = settings.keys.private("orchestrator")
    coding = Coding(record, peers, key, max_artifact_bytes=settings.max_artifact_mib * 2**20)
    bundler = Bundler(peers.files, peers.sandbox, job_limits=job_limits)
    return Loop(record, peers, coding, bundler, max_steps=settings.max_steps, max_repairs=settings.max_repairs)


def _name() -> str:
    return f"{socket.gethostname()[:24]}-{os.getpid()}-{new_id('worker')[-8:]}"
