"""Records on either database: made, taken back, waited for, and honest about an outage."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import Connection, inspect, text

from servers import kit
from servers.kit import database as database_module
from servers.kit import postgres as postgres_module
from servers.kit.database import forget_deleted, migrate, open_database, reading, transaction
from servers.kit.errors import NotReady, StorageUnavailable
from servers.kit.postgres import Schema
from tests.postgres import PostgresServer, schema

SERVERS = Path(kit.__file__).parents[1]
TREES = sorted(folder.parent.name for folder in SERVERS.glob("*/migrations"))
COUNT = text("SELECT count(*) FROM files")


def migrations_of(server: str) -> Path:
    return SERVERS / server / "migrations"


def outline(connection: Connection) -> dict[str, Any]:
    """What a schema holds."""
    seen = inspect(connection)
    return {
        table: {
            "columns": [
                (column["name"], repr(column["type"]), column["nullable"]) for column in seen.get_columns(table)
            ],
            "key": seen.get_pk_constraint(table)["constrained_columns"],
            "foreign": sorted(
                (key["constrained_columns"], key["referred_table"]) for key in seen.get_foreign_keys(table)
            ),
            "unique": sorted((key["name"], key["column_names"]) for key in seen.get_unique_constraints(table)),
            "indexes": sorted((index["name"], index["column_names"]) for index in seen.get_indexes(table)),
        }
        for table in sorted(seen.get_table_names())
    }


@pytest.mark.parametrize("server", TREES)
async def test_every_revision_goes_up_down_and_up_again_to_what_the_code_expects(server, database):
    metadata = importlib.import_module(f"servers.{server}.tables").METADATA
    async with open_database(database, migrations_of(server)) as engine, engine.begin() as connection:
        first = await connection.run_sync(outline)
        await connection.run_sync(migrate, migrations_of(server), "base")
        assert list(await connection.run_sync(outline)) == ["alembic_version"]
        await connection.run_sync(migrate, migrations_of(server))
        assert await connection.run_sync(outline) == first
        differences = await connection.run_sync(
            lambda made: compare_metadata(MigrationContext.configure(made, opts={"compare_type": True}), metadata)
        )
    assert differences == []
    assert set(first) == {"alembic_version", *metadata.tables}


async def test_nothing_of_what_is_deleted_stays_in_a_file(tmp_path):
    async with open_database(tmp_path / "files.sqlite", migrations_of("files")) as engine:
        rows = [{"sha256": f"secret-{number}-{'x' * 50}", "size_bytes": number} for number in range(300)]
        async with transaction(engine) as connection:
            await connection.execute(text("INSERT INTO blobs VALUES (:sha256, :size_bytes)"), rows)
        for share in (3, 2, 1):
            async with transaction(engine) as connection:
                await connection.execute(text(f"DELETE FROM blobs WHERE size_bytes % {share} = 0"))
        assert b"secret-" in (tmp_path / "files.sqlite-wal").read_bytes()
        await forget_deleted(engine)
        assert [path.name for path in tmp_path.iterdir() if b"secret-" in path.read_bytes()] == []


async def test_replicas_that_start_at_once_migrate_once(postgres):
    where = schema(postgres.new_database(), "files")

    async def start() -> int:
        async with open_database(where, migrations_of("files")) as engine, transaction(engine) as connection:
            return int(await connection.scalar(COUNT))

    assert await asyncio.gather(*(start() for _ in range(4))) == [0, 0, 0, 0]


async def test_each_server_has_a_schema_of_its_own_also_where_its_role_may_make_none(postgres):
    url = postgres.new_database()
    async with open_database(schema(url, "files"), migrations_of("files")) as engine, transaction(engine) as connection:
        await connection.execute(text("CREATE ROLE keeper LOGIN PASSWORD 'kept'"))
        await connection.execute(text("CREATE SCHEMA orchestrator AUTHORIZATION keeper"))
    own = Schema(SecretStr(url.replace("loupe:of-the-tests", "keeper:kept")), "orchestrator")
    async with open_database(own, migrations_of("orchestrator")) as engine:
        async with transaction(engine) as connection:
            assert await connection.scalar(text("SELECT count(*) FROM jobs")) == 0
        with pytest.raises(StorageUnavailable, match="permission denied for schema files"):
            async with transaction(engine) as connection:
                await connection.execute(text("SELECT count(*) FROM files.files"))


async def test_a_wrong_password_is_told_at_once_and_nowhere_shown(postgres, caplog):
    where = schema(postgres.url(password="guessed"), "files")
    with pytest.raises(NotReady, match="password authentication failed for user") as caught:
        async with open_database(where, migrations_of("files")):
            pass
    assert "guessed" not in caplog.text + str(caught.value) + repr(where)


def conditions(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(line.message, vars(line)["condition"]) for line in caplog.records if "condition" in vars(line)]


async def test_a_database_that_is_away_is_told_so_and_used_again_once_it_is_back(postgres: PostgresServer, caplog):
    where = schema(postgres.new_database(), "files")
    async with open_database(where, migrations_of("files")) as engine:
        # Several connections lie in the pool, and all of them break.
        async with transaction(engine), transaction(engine), transaction(engine) as connection:
            assert await connection.scalar(COUNT) == 0
        postgres.stop()
        try:
            for _ in range(4):
                with pytest.raises(StorageUnavailable):
                    async with transaction(engine) as connection:
                        await connection.scalar(COUNT)
        finally:
            postgres.start()
        async with transaction(engine), transaction(engine), transaction(engine) as connection:
            assert await connection.scalar(COUNT) == 0
    assert conditions(caplog) == [("condition began", "database_away"), ("condition ended", "database_away")]


async def test_a_connection_that_broke_while_it_lay_idle_is_replaced_unseen(
    postgres: PostgresServer, monkeypatch, caplog
):
    monkeypatch.setattr(postgres_module, "ASKED_AFTER_S", 0.0)
    others = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND application_name = 'loupe-files'"
    )
    where = schema(postgres.new_database(), "files")
    async with open_database(where, migrations_of("files")) as engine:
        async with transaction(engine), transaction(engine) as connection:
            assert (await connection.execute(others)).all() == [(True,)]
        async with transaction(engine), transaction(engine) as connection:
            assert await connection.scalar(COUNT) == 0
    assert conditions(caplog) == []


async def test_a_block_that_only_reads_is_no_transaction(postgres: PostgresServer):
    where = schema(postgres.new_database(), "files")
    async with open_database(where, migrations_of("files")) as engine:
        for block, count in ((reading, 2), (transaction, 1), (reading, 2)):
            async with block(engine) as connection:
                assert len({await connection.scalar(text("SELECT txid_current()")) for _ in range(2)}) == count


async def test_a_transaction_under_which_the_database_goes_leaves_nothing(postgres: PostgresServer):
    where = schema(postgres.new_database(), "files")
    blob = text("INSERT INTO blobs (sha256, size_bytes) VALUES ('a', 1)")
    async with open_database(where, migrations_of("files")) as engine:
        with pytest.raises(StorageUnavailable):
            async with transaction(engine) as connection:
                await connection.execute(blob)
                postgres.stop()
                postgres.start()
        async with transaction(engine) as connection:
            assert await connection.scalar(text("SELECT count(*) FROM blobs")) == 0


async def test_a_database_that_went_silent_holds_nobody_for_long(postgres: PostgresServer, monkeypatch):
    where = schema(postgres.new_database(), "files")
    async with open_database(where, migrations_of("files")) as engine:
        monkeypatch.setattr(database_module, "POSTGRES_TRANSACTION_S", 0.5)
        async with transaction(engine) as connection:
            backend = int(await connection.scalar(text("SELECT pg_backend_pid()")) or 0)
        os.kill(backend, signal.SIGSTOP)
        try:
            with pytest.raises(StorageUnavailable, match="the database does not answer"):
                async with transaction(engine) as connection:
                    await connection.scalar(COUNT)
        finally:
            os.kill(backend, signal.SIGCONT)
        async with transaction(engine) as connection:
            assert await connection.scalar(COUNT) == 0


async def test_a_server_that_starts_before_its_database_waits_for_it(postgres: PostgresServer, monkeypatch):
    where = schema(postgres.new_database(), "files")
    waiting = asyncio.Event()
    monkeypatch.setattr("servers.kit.postgres.log.warning", lambda *_args, **_fields: waiting.set())
    postgres.stop()
    try:

        async def start() -> int:
            async with open_database(where, migrations_of("files")) as engine, transaction(engine) as connection:
                return int(await connection.scalar(COUNT) or 0)

        starting = asyncio.create_task(start())
        await waiting.wait()
        monkeypatch.setattr("servers.kit.postgres.START_WAIT_S", -1.0)
        with pytest.raises(SystemExit, match="the database does not answer"):
            await start()
    finally:
        postgres.start()
    assert await starting == 0


async def test_callers_who_leave_while_they_connect_lose_no_connection(postgres: PostgresServer):
    where = schema(postgres.new_database(), "files")
    async with open_database(where, migrations_of("files")) as engine:

        async def ask() -> None:
            async with transaction(engine) as connection:
                await connection.scalar(COUNT)

        for turns in range(40):
            asking = asyncio.create_task(ask())
            # Cancelled at another point of its way each time, with a pool that has yet to connect.
            for _ in range(turns):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await engine.dispose()
        await ask()
        async with transaction(engine) as connection:
            mine = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            assert await connection.scalar(mine) == 1
