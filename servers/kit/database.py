"""A server's own records: one SQLite file (one process, WAL, synchronous=FULL), migrated at start."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from servers.kit.errors import NotReady, StorageUnavailable


@asynccontextmanager
async def open_database(path: Path, migrations: Path) -> AsyncIterator[AsyncEngine]:
    """Open a server's database, migrated to its newest revision.

    Args:
      path: the SQLite file; made where missing, readable by its owner only.
      migrations: the server's Alembic tree.
    Raises:
      NotReady: it can't be opened or migrated.
      SystemExit: another process has it open.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _owned(path):
        await asyncio.to_thread(path.touch, mode=0o600)
        engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=1, max_overflow=0)
        event.listen(engine.sync_engine, "connect", _configure)
        try:
            try:
                async with engine.begin() as connection:
                    await connection.run_sync(_migrate, migrations)
            except (SQLAlchemyError, CommandError) as error:
                reason = error.orig if isinstance(error, DBAPIError) else error
                raise NotReady(f"the records in {path} can't be opened: {reason}. Restore or move them") from error
            yield engine
        finally:
            await engine.dispose()


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[Any]:
    """Run a block as one transaction; a database that refuses is StorageUnavailable, and nothing of the block stays."""
    try:
        async with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        # What the engine itself says ("database or disk is full"), without the statement and its values.
        raise StorageUnavailable(f"the database refused: {error.orig}") from error
    except SQLAlchemyError as error:
        raise StorageUnavailable("the database does not answer") from error


@contextmanager
def _owned(path: Path) -> Iterator[None]:
    """Keep every other process off the records: two would end each other's work."""
    descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"another process works with {path}") from None
        yield
    finally:
        os.close(descriptor)


def _configure(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _migrate(connection: Connection, migrations: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
