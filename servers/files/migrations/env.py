"""Alembic environment of the files server's records."""

from servers.files.tables import METADATA
from servers.kit import migration

migration.run(METADATA)
