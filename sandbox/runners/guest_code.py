"""Our own code that runs inside a sandbox before the program, as files to lay there."""

from pathlib import Path

from sandbox import bootstrap

MOST_REPORT_BYTES = 1024 * 1024
"""Of what a program's process says of itself; `sandbox.runners.report` reads it."""


def files() -> dict[str, bytes]:
    """Return every module of `sandbox.bootstrap` by its file name."""
    folder = Path(next(iter(bootstrap.__path__)))
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"}
