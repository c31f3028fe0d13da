"""Fixtures that every kind of test uses."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from servers.kit.postgres import Schema
from tests.object_store import ObjectStore
from tests.postgres import PostgresServer, schema
from tests.redis_server import RedisServer

# The same examples in every run: what fails in CI fails at home. `HYPOTHESIS_PROFILE=searching` looks for new ones,
# "fuzzing" for thousands.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("searching", deadline=None)
settings.register_profile("fuzzing", deadline=None, max_examples=5000, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

# A shell's background job ignores Ctrl-C, and so would every process that a test starts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _fresh_home() -> Iterator[Path]:
    """A fresh LOUPE_HOME with a path short enough for sockets, which pytest's own folders are not."""
    folder = Path(tempfile.mkdtemp(prefix="loupe-"))
    yield folder
    shutil.rmtree(folder)


home = pytest.fixture(_fresh_home, name="home")
module_home = pytest.fixture(_fresh_home, name="module_home", scope="module")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that runs. A test that stops it starts it again."""
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path | Schema:
    """Where records are: an empty file, then an empty schema."""
    if request.param == "sqlite":
        return tmp_path / "records.sqlite"
    server: PostgresServer = request.getfixturevalue("postgres")
    return schema(server.new_database(), "records")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis that runs. A test that kills it starts it again."""
    server = RedisServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """An S3 server that runs. A test that stops it starts it again."""
    server = ObjectStore()
    server.start()
    yield server
    server.stop()
