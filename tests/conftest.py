"""Fixtures that every kind of test uses."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The same examples in every run: what fails in CI fails at home. `HYPOTHESIS_PROFILE=searching` looks for new ones,
# "fuzzing" for thousands.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("searching", deadline=None)
settings.register_profile("fuzzing", deadline=None, max_examples=5000, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def _fresh_home() -> Iterator[Path]:
    """A fresh LOUPE_HOME with a path short enough for sockets, which pytest's own folders are not."""
    folder = Path(tempfile.mkdtemp(prefix="loupe-"))
    yield folder
    shutil.rmtree(folder)


home = pytest.fixture(_fresh_home, name="home")
module_home = pytest.fixture(_fresh_home, name="module_home", scope="module")
