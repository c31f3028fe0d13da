"""`loupe erase` where only some of the servers answer: what is left is told, and nothing is given up for it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from cli.main import run
from cli.mesh_state import MeshState
from cli.processes import ProcessId
from loupe.files.v1.files_service_pb2_grpc import FilesServiceStub
from tests.contract.test_files_server import png, upload
from tests.running import running


async def test_a_server_that_is_away_keeps_the_others_from_nothing_and_the_command_fails(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOUPE_HOME", str(home))
    supervisor = ProcessId.of(os.getpid())
    assert supervisor is not None
    proofs = tmp_path / "proofs.jsonl"
    # A files server, where a gateway would be: nobody answers for jobs or models.
    async with running("files", home) as files, files.channel() as channel:
        MeshState(supervisor, files.address).write(home / "run")
        ref = await upload(FilesServiceStub(channel), png())
        for _ in range(2):  # and again, with the same proof
            assert await asyncio.to_thread(run, ["erase", "local", "--yes", "--proofs", str(proofs)]) == 1
            told = capfd.readouterr()
            assert told.out == "local: 1 file erased\n"
            assert told.err.splitlines() == [
                "loupe: the jobs of local: Method not found!",
                "loupe: what the router knows of local: Method not found!",
                "loupe: not all of local is erased: the same command again goes on with what is left",
            ]
            (proof,) = [json.loads(line) for line in proofs.read_text().splitlines()]
            assert (proof["file_id"], proof["sha256"]) == (ref.file_id, ref.sha256)
