"""`loupe sandbox run`: real command, real sandbox, the operator's key in place of the critic's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import ValidationError

from sandbox.config import Settings

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
rows = open("rows.csv").read().split()
open("count.txt", "w").write(str(len(rows)))
print("counted", len(rows))
print("careful", file=sys.stderr)
sys.stdout.buffer.write(b"\\xff")
"""


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "operator.pem"
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.touch(0o600)
    path.write_bytes(pem)
    return path


def loupe(home: Path, key: Path | None, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "LOUPE_HOME": str(home), "PYTHONPATH": str(ROOT)}
    environment.pop("LOUPE_OPERATOR_KEY", None)
    if key:
        environment["LOUPE_OPERATOR_KEY"] = str(key)
    command = [sys.executable, "-m", "cli.main", "sandbox", "run", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)


def test_a_program_runs_on_the_operators_signature_and_its_end_is_json(module_home, tmp_path, key):
    program, rows, out = tmp_path / "program.py", tmp_path / "rows.csv", tmp_path / "left"
    program.write_text(PROGRAM)
    rows.write_text("a\nb\nc\n")
    done = loupe(module_home, key, program, "--in", rows, "-o", out, "--json")
    assert done.returncode == 0, done.stderr
    written, _, last = done.stdout.rstrip(b"\n").rpartition(b"\n")
    assert written == b"counted 3\n\xff"
    assert done.stderr == b"careful\n"
    assert (out / "count.txt").read_text() == "3"
    result = json.loads(last)
    assert (result["outcome"], result["artifacts"][0]["name"]) == ("OUTCOME_COMPLETED", "count.txt")
    log = (module_home / "logs" / "sandbox-run.log").read_text()
    assert "runs what its operator signs" in log


def test_a_person_sees_the_last_value_and_what_was_drawn(module_home, tmp_path, key):
    program = tmp_path / "program.py"
    program.write_text(
        "import pandas as pd\nframe = pd.DataFrame({'n': [1, 2.5], 's': ['a\\x1b[31m', None]})\nframe.n.plot()\nframe\n"
    )
    done = loupe(module_home, key, program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == "\tn\ts\n0\t1\ta\ufffd[31m\n1\t2.5\t\nfigure-1.png: n (2)\n"


def test_a_limit_that_ends_the_program_is_named_for_a_person(module_home, tmp_path, key):
    program = tmp_path / "endless.py"
    program.write_text("print('so far', flush=True)\nwhile True: pass")
    done = loupe(module_home, key, program, "--wall-time-s", 0.5)
    assert (done.returncode, done.stdout) == (1, b"so far\n")
    assert done.stderr.startswith(b"limit exceeded, wall_time: exit code 137")


def test_without_a_key_of_ones_own_nothing_runs(module_home, tmp_path, key):
    program = tmp_path / "program.py"
    program.write_text("print(1)")
    done = loupe(module_home, None, program)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"LOUPE_OPERATOR_KEY" in done.stderr
    key.chmod(0o644)
    done = loupe(module_home, key, program)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"nobody else's to read" in done.stderr


def test_the_meshs_own_sandbox_can_not_be_told_to_take_an_operators_signature(tmp_path, monkeypatch):
    private = Ed25519PrivateKey.generate()
    public = tmp_path / "public.pem"
    public.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(ValidationError, match="no other server reaches"):
        Settings(operator_public_key=public)
    monkeypatch.setenv("LOUPE_SANDBOX_ADDRESS", "unix:/x.sock")
    with pytest.raises(ValidationError, match="no other server reaches"):
        Settings(operator_public_key=public, listen="unix:/x.sock")
    assert Settings(operator_public_key=public, listen="unix:/own.sock").operator_public_key == public
