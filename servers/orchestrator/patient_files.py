"""The files server as a job uses it: a failure that is over in a moment is waited for, not told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from loupe.type.v1.file_ref_pb2 import FileRef
from servers.kit.errors import StorageUnavailable, UpstreamUnavailable
from servers.kit.files_client import FilesClient

T = TypeVar("T")

PATIENCE_S = 1.5
"""What fails for longer is told, within 2 s of its beginning."""
_AGAIN_AFTER_S = 0.2


class PatientFiles(FilesClient):
    """Asks again for a moment. Each call may be made twice: reads are safe, a write's request_id stores it once."""

    async def read(self, ref: FileRef) -> bytes:
        """Return a file's content, as `FilesClient.read`."""
        return await _patiently(lambda: super(PatientFiles, self).read(ref))

    async def write(self, content: bytes, name: str, *, request_id: str = "") -> FileRef:
        """Store a file, as `FilesClient.write`. Without a request_id it is not asked again."""
        if not request_id:
            return await super().write(content, name)
        return await _patiently(lambda: super(PatientFiles, self).write(content, name, request_id=request_id))


async def _patiently(call: Callable[[], Awaitable[T]]) -> T:
    until = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        try:
            return await call()
        except (StorageUnavailable, UpstreamUnavailable):
            if asyncio.get_running_loop().time() + _AGAIN_AFTER_S > until:
                raise
            await asyncio.sleep(_AGAIN_AFTER_S)
