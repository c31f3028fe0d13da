"""Folders in the machine's temporary folder, and those of processes that were killed."""

from __future__ import annotations

import stat
import subprocess
import sys
import tempfile

import pytest

from servers.kit import scratch


def test_what_a_killed_process_left_goes_and_what_a_living_one_has_stays(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ours = scratch.new_folder("ruff")
    assert stat.S_IMODE(ours.stat().st_mode) == 0o700
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    left = tmp_path / f"loupe-ruff-{gone.pid}-abc"
    (left / "within").mkdir(parents=True)
    anothers = tmp_path / f"loupe-runsc-{gone.pid}-abc"
    anothers.mkdir()

    scratch.sweep("ruff")

    assert sorted(tmp_path.iterdir()) == sorted([ours, anothers])
