"""Time to the first token of a stream over one connection: `python -m tests.bench.first_token ADDRESS COUNT KEY`."""

from __future__ import annotations

import json
import sys
import time
from statistics import median

import uvloop

from tests.bench.http_load import connect

_BODY = json.dumps(
    {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Which month grew fastest?"}]}
).encode()


async def first_token(address: str, count: int, key: str) -> float:
    """Return the median of so many streams, in seconds.

    Raises:
      IncompleteReadError: a stream did not come to its end.
    """
    reader, writer = await connect(address)
    request = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        + f"authorization: Bearer {key}\r\ncontent-length: {len(_BODY)}\r\n\r\n".encode()
        + _BODY
    )
    took = []
    for _ in range(count):
        began = time.perf_counter()
        writer.write(request)
        await reader.readuntil(b"data: ")
        took.append(time.perf_counter() - began)
        await reader.readuntil(b"[DONE]")
        await reader.readuntil(b"\r\n0\r\n\r\n")
    writer.close()
    return median(took)


if __name__ == "__main__":
    _, where, how_many, with_key = sys.argv
    sys.stdout.write(str(uvloop.run(first_token(where, int(how_many), with_key))))
