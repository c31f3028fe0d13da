"""Alembic environment of the router's records."""

from servers.kit import migration
from servers.router.tables import METADATA

migration.run(METADATA)
