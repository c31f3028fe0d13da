"""Folders of one process in the machine's temporary folder; what a killed process left goes when its like starts."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path


def new_folder(purpose: str) -> Path:
    """Make an empty folder that only this user can enter. Whoever makes it removes it."""
    return Path(tempfile.mkdtemp(prefix=f"loupe-{purpose}-{os.getpid()}-"))


def sweep(purpose: str) -> None:
    """Remove folders of that purpose whose makers are gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"loupe-{purpose}-*-*"):
        if not Path("/proc", folder.name.split("-")[2]).exists():
            shutil.rmtree(folder, ignore_errors=True)
