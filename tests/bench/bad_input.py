"""What bad input costs: the time until its typed error, and the memory that the whole mesh took meanwhile."""

from __future__ import annotations

import asyncio
import io
import time
import zlib

import httpx
from PIL import Image

from tests.bench.table import Row
from tests.bench.world import World, resident_mib

SAMPLE_S = 0.02


async def bad_input(it: World) -> list[Row]:
    """Each kind of bad input, once: at most 1 s and 64 MiB are promised."""
    return [await _row(it, what, content) for what, content in _inputs().items()]


def _inputs() -> dict[str, bytes]:
    picture = io.BytesIO()
    Image.effect_noise((900, 700), 80).save(picture, "PNG")
    return {
        "no image": b"hello, this is no image\n" * 100,
        "0 bytes": b"",
        "a truncated PNG": picture.getvalue()[: len(picture.getvalue()) // 2],
        "a bomb of 30000 x 30000 px": _bomb(30_000),
        "60 MB": picture.getvalue() + bytes(60_000_000),
    }


def _bomb(side: int) -> bytes:
    header = b"IHDR" + side.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    data = b"IDAT" + zlib.compress(bytes(side * 1000), 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big") for chunk in (header, data)
    )


async def _row(it: World, what: str, content: bytes) -> Row:
    before = resident_mib(it.home)
    peak = before
    began = time.perf_counter()
    asking = asyncio.create_task(asyncio.to_thread(_ask, it, content))
    while not asking.done():
        await asyncio.wait({asking}, timeout=SAMPLE_S)
        peak = max(peak, resident_mib(it.home))
    told = asking.result()
    return Row(f"bad input: {what}", f"{time.perf_counter() - began:.2f} s, {peak - before:+.0f} MiB", told)


def _ask(it: World, content: bytes) -> str:
    """Upload, and read it if it was taken; return what was told."""
    # A blocking client: a refusal that comes while a large body is on its way reaches it.
    with httpx.Client(base_url=it.rest.base_url, headers=it.rest.headers, timeout=60) as client:
        answer = client.post("/v1/files", content=content)
        if answer.is_success:
            answer = client.post("/v1/vision:analyzeImage", json={"file": answer.json()["file"]})
        told = answer.json()
    return f"{answer.status_code} {told['details'][0]['reason']}" if "details" in told else f"{answer.status_code}"
