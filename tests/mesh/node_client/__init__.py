"""A client in another language: generated from the contracts, spoken to as a process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

FOLDER = Path(__file__).parent
PROTOS = FOLDER.parents[2] / "proto"


def install() -> None:
    """Fetch the locked packages and generate the client from the contracts; quick when both are there."""
    if _is_older(FOLDER / "node_modules" / ".package-lock.json", [FOLDER / "package-lock.json"]):
        _run(_program("npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts")
    if _is_older(FOLDER / "gen", [FOLDER / "buf.gen.yaml", *PROTOS.rglob("*.proto")]):
        _run(str(Path(sys.executable).with_name("buf")), "generate", "--clean")
        (FOLDER / "gen").touch()  # buf writes inside it, which leaves the folder's own time as it was


async def run_job(
    base_url: str, image: str, question: str, *, key: str, protocol: Literal["grpc", "grpc-web"] = "grpc"
) -> AsyncIterator[dict[str, Any]]:
    """Yield each step as the client prints it, then the finished job.

    Args:
      image: a path to upload, or the id of a file that is there.
    """
    client = await asyncio.create_subprocess_exec(
        *(_program("node"), str(FOLDER / "run_job.js"), base_url, image, question),
        env={"LOUPE_KEY": key, "LOUPE_PROTOCOL": protocol},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        limit=16 * 1024 * 1024,
    )
    assert client.stdout is not None
    assert client.stderr is not None
    try:
        async for line in client.stdout:
            yield json.loads(line)
        error = (await client.stderr.read()).decode()
        assert await client.wait() == 0, error
    finally:
        if client.returncode is None:
            client.kill()
            await client.wait()


def _is_older(output: Path, sources: list[Path]) -> bool:
    return not output.exists() or output.stat().st_mtime < max(source.stat().st_mtime for source in sources)


def _program(name: str) -> str:
    """Node as the lock has it, beside this interpreter."""
    return str(Path(sys.executable).with_name(name))


def _run(*command: str) -> None:
    result = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}{result.stderr}"
