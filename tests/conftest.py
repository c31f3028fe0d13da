"""Fixtures that every kind of test uses."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def _fresh_home() -> Iterator[Path]:
    """A fresh LOUPE_HOME with a path short enough for sockets, which pytest's own folders are not."""
    folder = Path(tempfile.mkdtemp(prefix="loupe-"))
    yield folder
    shutil.rmtree(folder)


home = pytest.fixture(_fresh_home, name="home")
module_home = pytest.fixture(_fresh_home, name="module_home", scope="module")
