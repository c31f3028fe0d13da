"""The five servers that a job calls, answering at once, in a process of their own: the load must not be theirs.

`python -m tests.bench.jobs_peers [PAUSE_S]` prints its address, and ends with its input.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import grpc

from servers.kit.files_client import FilesClient
from tests.contract.scripted_peers import Script, scripted


async def main(pause_s: float) -> None:
    """Serve until the input ends; each answer takes about `pause_s`."""
    random = Random(1)

    async def pause(_: str) -> None:
        await asyncio.sleep(pause_s * random.uniform(0.8, 1.2))

    async with peers_here(Script(before=pause if pause_s else None)) as address:
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


@asynccontextmanager
async def peers_here(script: Script) -> AsyncIterator[str]:
    """Serve in this process until the block ends; yield the address."""
    # No answer of theirs needs a file.
    async with grpc.aio.insecure_channel("unix:nowhere") as nowhere, scripted(script, FilesClient(nowhere)) as address:
        yield address


@asynccontextmanager
async def peers(pause_s: float = 0.0) -> AsyncIterator[str]:
    """Run them until the block ends; yield their address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.jobs_peers", str(pause_s)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        async with asyncio.timeout(60):
            address = (await process.stdout.readline()).decode().strip()
        yield address
    finally:
        process.stdin.close()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0))
