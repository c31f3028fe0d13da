"""Asks one chat over and over for some seconds and prints what came of it: `python -m tests.bench.http_load`.

A process of its own, so that it is never charged to what it measures.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop

BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Which month grew fastest?"}]}).encode()


async def load(address: str, connections: int, seconds: float, key: str) -> dict[str, float]:
    """Return requests a second and the median time of one, in seconds.

    Args:
      address: unix:PATH or HOST:PORT.
    Raises:
      RuntimeError: an answer was not 200.
    """
    request = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        + f"authorization: Bearer {key}\r\ncontent-length: {len(BODY)}\r\n\r\n".encode()
        + BODY
    )
    until = time.perf_counter() + seconds
    took: list[float] = []

    async def ask() -> None:
        reader, writer = await connect(address)
        began = 0.0
        while began < until:
            began = time.perf_counter()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not head.startswith(b"http/1.1 200"):
                raise RuntimeError(head.decode())
            if b"content-length:" in head:
                await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
            else:
                while size := int(await reader.readuntil(b"\r\n"), 16):
                    await reader.readexactly(size + 2)
                await reader.readexactly(2)
            took.append(time.perf_counter() - began)
        writer.close()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(ask())
    elapsed = time.perf_counter() - began
    took.sort()
    return {"rps": len(took) / elapsed, "p50_s": took[len(took) // 2], "count": len(took)}


async def connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to unix:PATH or HOST:PORT."""
    if address.startswith("unix:"):
        return await asyncio.open_unix_connection(address.removeprefix("unix:"))
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


if __name__ == "__main__":
    _, where, how_many, how_long, with_key = sys.argv
    sys.stdout.write(json.dumps(uvloop.run(load(where, int(how_many), float(how_long), with_key))))
