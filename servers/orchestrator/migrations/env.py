"""Alembic environment of the orchestrator's records."""

from servers.kit import migration
from servers.orchestrator.tables import METADATA

migration.run(METADATA)
