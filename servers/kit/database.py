"""A server's own records, migrated at start: an SQLite file of one process, or a PostgreSQL schema of many."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Table, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from servers.kit import postgres
from servers.kit.conditions import Condition
from servers.kit.errors import NotReady, StorageUnavailable
from servers.kit.postgres import Schema

POSTGRES_TRANSACTION_S = 10.0
"""Longest time of one transaction over a network: a database that went silent must not hold its caller."""

_OUTAGE = "loupe_outage"
# What SQLite says of a disk (primary result codes): it can't be written, is damaged, full, not there, not a database.
_OF_THE_DISK = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY})
_OF_THE_DISK |= {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@asynccontextmanager
async def open_database(where: Path | Schema, migrations: Path) -> AsyncIterator[AsyncEngine]:
    """Open a server's database, migrated to its newest revision.

    Args:
      where: an SQLite file, made where missing, readable by its owner only; or a schema of PostgreSQL.
      migrations: the server's Alembic tree.
    Raises:
      NotReady: it can't be opened or migrated.
      SystemExit: another process has the file open, or PostgreSQL does not answer for long.
    """
    opened = _open_file(where) if isinstance(where, Path) else _open_schema(where)
    place = str(where) if isinstance(where, Path) else f"schema {where.name}"
    async with opened as engine:
        try:
            async with engine.begin() as connection:
                if isinstance(where, Schema):
                    await postgres.own_schema(connection, where)
                await connection.run_sync(migrate, migrations)
        except (SQLAlchemyError, CommandError, StorageUnavailable) as error:
            reason = error.orig if isinstance(error, DBAPIError) else error
            raise NotReady(f"the records in {place} can't be opened: {reason}. Restore or move them") from error
        yield engine


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Run a block as one transaction; a database that refuses is StorageUnavailable, and nothing of the block stays.

    On PostgreSQL other processes write between two statements: a row that is read to be written is read with
    `with_for_update()`, which SQLite, where transactions follow each other, leaves out.
    """
    async with _telling(engine) as connection, connection.begin():
        yield connection


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Run a block that only reads; on PostgreSQL each statement sees what was committed when it began.

    Without a transaction a statement is one round trip there, and not three.
    """
    async with _telling(engine) as connection:
        if engine.dialect.name == "postgresql":
            await connection.execution_options(isolation_level="AUTOCOMMIT")
        async with connection.begin():
            yield connection


@asynccontextmanager
async def _telling(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Lend a connection, and tell by one error and a condition where the database refuses."""
    outage: Condition = engine.get_execution_options()[_OUTAGE]
    is_remote = engine.dialect.name == "postgresql"
    limit_s = POSTGRES_TRANSACTION_S if is_remote else None
    try:
        async with asyncio.timeout(limit_s), postgres.connected(engine) as connection:
            yield connection
    except DBAPIError as error:
        # What the engine itself says ("database or disk is full"), without the statement, its values and details.
        reason = str(error.orig).partition("\n")[0].rpartition("'>: ")[2]
        if error.connection_invalidated or getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _OF_THE_DISK:
            outage.begin(reason)
        raise StorageUnavailable(f"the database refused: {reason}") from error
    except (SQLAlchemyError, OSError) as error:  # of which a time-out is one
        outage.begin(type(error).__name__)
        raise StorageUnavailable("the database does not answer") from error
    else:
        if is_remote:  # a file may be read from a disk that takes nothing more; what ends that is `_takes_writes`
            outage.end()


async def forget_deleted(engine: AsyncEngine) -> None:
    """Leave nothing of deleted rows in an SQLite file: its pages were overwritten at once, its log is emptied here.

    PostgreSQL does so by itself, when it vacuums.

    Raises:
      StorageUnavailable: the database refuses, or another program reads from the file and needs the log.
    """
    if engine.dialect.name != "sqlite":
        return
    async with _telling(engine) as connection:
        (is_busy, *_) = (await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")).one()
    if is_busy:
        raise StorageUnavailable("another program reads from the records, whose log still has what was erased")


def insert_into(connection: AsyncConnection, table: Table) -> Any:
    """Return an INSERT that can say what happens on a conflict, in the words of the connection's database."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def migrate(connection: Connection, migrations: Path, revision: str = "head") -> None:
    """Bring a database to a revision of an Alembic tree, up or, for one before, down."""
    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.attributes["connection"] = connection
    (command.upgrade if revision == "head" else command.downgrade)(config, revision)


@asynccontextmanager
async def _open_file(path: Path) -> AsyncIterator[AsyncEngine]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _owned(path):
        await asyncio.to_thread(path.touch, mode=0o600)
        outage = Condition("disk_refuses")
        engine = create_async_engine(
            f"sqlite+aiosqlite:///{path}", pool_size=1, max_overflow=0, execution_options={_OUTAGE: outage}
        )
        event.listen(engine.sync_engine, "connect", _configure)
        try:
            async with outage.ended_by(partial(_takes_writes, engine)):
                yield engine
        finally:
            await engine.dispose()


async def _takes_writes(engine: AsyncEngine) -> bool:
    """Return whether the disk takes a page of the file, and says that it is safe there.

    After a sync that failed the kernel may drop what it could not write and call the next sync a success. SQLite never
    asks twice for the same bytes: a commit that failed counts for nothing, and the next one writes its pages anew.
    """
    try:
        async with postgres.connected(engine) as connection:
            await connection.exec_driver_sql("PRAGMA user_version = 0")  # the value it has: a page, and nothing else
    except SQLAlchemyError:
        return False
    return True


@asynccontextmanager
async def _open_schema(schema: Schema) -> AsyncIterator[AsyncEngine]:
    outage = Condition("database_away")
    engine = postgres.open_engine(schema, outage, **{_OUTAGE: outage})
    try:
        await postgres.wait_for(engine)
        yield engine
    finally:
        await engine.dispose()


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
    # What is deleted is overwritten, where the library does not do so by itself.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
