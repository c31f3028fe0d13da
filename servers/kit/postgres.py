"""A server's records past one machine: a schema of its own in PostgreSQL, which any number of replicas share."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
from pydantic import SecretStr
from sqlalchemy import event, text
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from servers.kit.conditions import Condition
from servers.kit.errors import NotReady, StorageUnavailable

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5
CANCEL_WAIT_S = 0.5
POOL_TIMEOUT_S = 5
ASKED_AFTER_S = 0.25
"""A connection that lay in the pool for longer is asked whether it lives before it is lent; one question is one round
trip of the four or five that a transaction takes."""
START_WAIT_S = 30.0
"""PostgreSQL may start beside us; who still finds none after this ends, and is started again by what started it."""
MIGRATION_WAIT_S = 120
_SESSION = {
    "statement_timeout": "8s",
    "lock_timeout": "5s",
    # A replica that is frozen or cut off must not keep rows locked for longer than a transaction may take, nor a place
    # among the connections: the server asks a silent one after 10 s, and gives it up 15 s later.
    "idle_in_transaction_session_timeout": "10s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
# Who may not enter, or finds no such database, will not by waiting.
_HOPELESS = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ClientConfigurationError,
)
# The last is what it says where the database's farewell arrives amid a question.
_OF_ASYNCPG = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@dataclass(frozen=True, slots=True)
class Schema:
    """Where in PostgreSQL a server keeps its records."""

    url: SecretStr
    """postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with libpq's options."""

    name: str
    """Of the schema; made at the first start if the role may."""

    pool_size: int = 5
    """Connections of one process."""


def open_engine(schema: Schema, outage: Condition, **options: Any) -> AsyncEngine:
    """Return the pool of connections; none is made yet. A connection that broke while it lay idle is replaced.

    Args:
      outage: begun where no connection can be made.
      options: which the engine carries along for its users.
    """
    settings = _SESSION | {"search_path": schema.name, "application_name": f"loupe-{schema.name}"}

    async def connect() -> Any:
        try:
            return await asyncpg.connect(
                schema.url.get_secret_value(), timeout=CONNECT_TIMEOUT_S, server_settings=settings
            )
        except _HOPELESS as error:
            raise NotReady(f"the records' database refused: {_line(error)}. See LOUPE_DATABASE_URL") from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            outage.begin(_line(error))
            raise StorageUnavailable(f"the database does not answer: {_line(error)}") from error

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=schema.pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
        # The one that was used last need not be asked.
        pool_use_lifo=True,
        execution_options=options,
    )
    event.listen(engine.sync_engine, "checkin", _laid_down)
    event.listen(engine.sync_engine, "checkout", _lent)
    return engine


@asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Lend a connection of the pool.

    SQLAlchemy loses a connection whose caller is cancelled while it is set up; so that is seen through, for a moment.
    """
    connecting = asyncio.ensure_future(engine.connect().start())
    try:
        connection = await asyncio.shield(connecting)
    except asyncio.CancelledError:
        try:
            await asyncio.wait({connecting}, timeout=CANCEL_WAIT_S)
        finally:
            connecting.cancel()
        if connecting.done() and not connecting.cancelled() and connecting.exception() is None:
            await connecting.result().close()
        raise
    try:
        yield connection
    finally:
        await asyncio.shield(connection.close())


async def wait_for(engine: AsyncEngine) -> None:
    """Return once the database answers.

    Raises:
      NotReady: it refuses us.
      SystemExit: it did not answer in START_WAIT_S.
    """
    until = asyncio.get_running_loop().time() + START_WAIT_S
    while True:
        try:
            async with engine.connect():
                return
        except StorageUnavailable as error:
            if asyncio.get_running_loop().time() > until:
                raise SystemExit(error.message) from error
            log.warning("waiting for the database", extra={"reason": error.message})
            await asyncio.sleep(1)


async def own_schema(connection: AsyncConnection, schema: Schema) -> None:
    """Make the schema where it is missing, and keep other replicas from migrating it until the transaction ends."""
    await connection.execute(text("SET LOCAL statement_timeout = 0"))
    await connection.execute(text(f"SET LOCAL lock_timeout = '{MIGRATION_WAIT_S}s'"))
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"loupe {schema.name}"}
    )
    # Asked first: a role that owns its schema need not be one that may make schemas.
    known = await connection.scalar(text("SELECT to_regnamespace(:name) IS NOT NULL"), {"name": schema.name})
    if not known:
        await connection.execute(text(f'CREATE SCHEMA "{schema.name}"'))


def _laid_down(_connection: Any, record: Any) -> None:
    record.info["laid_down_s"] = time.monotonic()


def _lent(connection: Any, record: Any, _proxy: Any) -> None:
    """Ask a connection that lay idle whether it lives; the pool replaces one that does not.

    SQLAlchemy's own question is a transaction, which is three round trips.
    """
    if time.monotonic() - record.info.get("laid_down_s", time.monotonic()) < ASKED_AFTER_S:
        return
    try:
        connection.run_async(lambda driver: driver.execute("SELECT 1"))
    except (OSError, *_OF_ASYNCPG) as error:
        raise DisconnectionError("the connection broke while it lay idle") from error


def _line(error: Exception) -> str:
    """Return what the database says, without the lines that hold values."""
    return (str(error) or type(error).__name__).splitlines()[0]
