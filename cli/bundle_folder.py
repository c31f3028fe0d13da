"""A bundle on this disk: every file checked against its digest, each written whole or not at all."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

from cli.connection import Connection
from cli.errors import CommandFailed
from loupe.orchestrator.v1.orchestrator_pb2 import Bundle

# A name comes over the network and becomes a path here.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


async def save(connection: Connection, bundle: Bundle, folder: Path) -> None:
    """Write a bundle's files into a folder.

    Raises:
      CommandFailed: a name is not a plain file name, or bytes do not have the digest that the bundle names.
      OSError: this disk refused.
    """
    for file in bundle.files:
        if not _PLAIN_NAME.fullmatch(file.name):
            raise CommandFailed(f"the bundle names a file {file.name!r}, which is no plain file name")
    # All are fetched before the first is written, so that a folder never mixes two bundles.
    contents = await asyncio.gather(*(connection.download(file.file) for file in bundle.files))
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    for file, content in zip(bundle.files, contents, strict=True):
        await asyncio.to_thread(write_whole, folder / file.name, content)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees a part of it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
