"""Works on jobs and answers no calls: `python -m servers.orchestrator.worker`, as many as there is work for.

It reads LOUPE_ORCHESTRATOR_* as the orchestrator does, and needs the same database, which must be PostgreSQL.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from servers.kit import background, config
from servers.kit.errors import NotReady
from servers.kit.mesh import Mesh
from servers.orchestrator.config import Settings
from servers.orchestrator.wiring import Parts, working


def build(settings: Settings, mesh: Mesh) -> AbstractAsyncContextManager[Parts]:
    """Work on jobs.

    Raises:
      NotReady: the settings leave nothing to do.
    """
    if isinstance(settings.records_of("orchestrator"), Path):
        raise NotReady(
            "a worker of its own needs records that several processes can open: set LOUPE_DATABASE_URL to PostgreSQL"
        )
    if not settings.worker_count:
        raise NotReady("LOUPE_ORCHESTRATOR_WORKER_COUNT is 0: a worker needs at least 1")
    return working(settings, mesh)


if __name__ == "__main__":
    background.work("worker", "orchestrator", config.load(Settings), build)
