"""What every Alembic tree's env.py does: migrate over the connection that the server opened."""

from __future__ import annotations

from alembic import context
from sqlalchemy import MetaData


def run(metadata: MetaData) -> None:
    """Migrate; called by a tree's env.py with the tables the code expects."""
    connection = context.config.attributes["connection"]
    # SQLite changes a column only by copying its table, which is what "batch" means.
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
