"""Settings of every server that keeps records."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from servers.kit.config import ServerSettings
from servers.kit.postgres import Schema


class RecordSettings(ServerSettings):
    """Where records are: a file of the server's own, or a schema of its own in PostgreSQL."""

    shared_database_url: SecretStr = Field(default=SecretStr(""), validation_alias="LOUPE_DATABASE_URL")
    """PostgreSQL for every server's records: postgresql://USER:PASSWORD@HOST:5432/DATABASE. Each server has a schema
    of its own there, named like the server. Default: an SQLite file each, under LOUPE_HOME."""

    database_url: SecretStr = SecretStr("")
    """The same for this server only, where each has a role of its own. Default: LOUPE_DATABASE_URL."""

    database_pool_size: int = Field(default=5, ge=1, le=100)
    """Connections to PostgreSQL of one process."""

    @field_validator("shared_database_url", "database_url")
    @classmethod
    def _url_is_of_postgresql(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("begins neither with postgresql:// nor with postgres://")
        return value

    def records_of(self, server: str) -> Path | Schema:
        """Return where a server's records are."""
        url = self.database_url if self.database_url.get_secret_value() else self.shared_database_url
        if url.get_secret_value():
            return Schema(url, server, self.database_pool_size)
        return self.home / f"{server}.sqlite"
