"""A real Redis for tests: started, killed and started again on one port."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

_WITHIN_S = 10.0


class RedisServer:
    """Redis on a port, which keeps nothing."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.folder = Path(tempfile.mkdtemp(prefix="loupe-redis-"))
        with socket.socket() as probe:
            probe.bind((host, 0))
            self.port: int = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is, for clients."""
        return f"redis://{self.host}:{self.port}"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        options = {
            "port": self.port,
            "bind": self.host,
            "protected-mode": "no",
            "save": "",
            "appendonly": "no",
            "dir": self.folder,
        }
        arguments = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        self.process = subprocess.Popen(["redis-server", *arguments], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if b"Ready to accept connections" in line:
                return
        raise AssertionError("redis-server ended")

    def kill(self) -> None:
        """End it as a power cut does."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate(timeout=_WITHIN_S)
            self.process = None

    def remove(self) -> None:
        """End it and leave nothing."""
        self.kill()
        shutil.rmtree(self.folder)
