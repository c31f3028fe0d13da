"""Who owns which file: the records over the blobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import delete, func, insert, select, tuple_
from sqlalchemy.dialects.sqlite import insert as insert_or_ignore
from sqlalchemy.ext.asyncio import AsyncEngine

from loupe.files.v1.files_pb2 import StoredFile
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.files.media import Media
from servers.files.tables import BLOBS, FILES
from servers.kit.database import transaction
from servers.kit.errors import NotFound, RequestIdReused
from servers.kit.ids import new_id
from servers.kit.pages import read_token, write_token


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file whose bytes have all arrived."""

    owner: str
    request_id: str
    file_name: str
    sha256: str
    size_bytes: int
    media: Media


class Catalog:
    """The records of one files server."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, new: NewFile) -> StoredFile:
        """Record a file, or return the one that the same request made before.

        Raises:
          RequestIdReused: the same request id came with another content.
        """
        file_id = new_id("file")
        async with transaction(self._engine) as connection:
            if new.request_id:
                known = await _one(connection, FILES.c.owner == new.owner, FILES.c.request_id == new.request_id)
                if known is not None:
                    if known.ref.sha256 != new.sha256:
                        raise RequestIdReused(f"request_id {new.request_id!r} was used for another content")
                    return known
            blob = insert_or_ignore(BLOBS).values(sha256=new.sha256, size_bytes=new.size_bytes)
            await connection.execute(blob.on_conflict_do_nothing())
            await connection.execute(
                insert(FILES).values(
                    file_id=file_id,
                    owner=new.owner,
                    request_id=new.request_id or file_id,
                    sha256=new.sha256,
                    file_name=new.file_name,
                    media_type=new.media.media_type,
                    width_px=new.media.width_px,
                    height_px=new.media.height_px,
                    create_time=datetime.now(UTC).replace(tzinfo=None),
                )
            )
            stored = await _one(connection, FILES.c.file_id == file_id)
        assert stored is not None  # inserted above, in the same transaction
        return stored

    async def get(self, owner: str, file_id: str) -> StoredFile:
        """Return an owner's file. Raises NotFound, also for someone else's."""
        async with transaction(self._engine) as connection:
            found = await _one(connection, FILES.c.owner == owner, FILES.c.file_id == file_id)
        if found is None:
            raise NotFound(f"there is no file {file_id}")
        return found

    async def uses(self, sha256: str) -> bool:
        """Return whether any file has a blob's content."""
        async with transaction(self._engine) as connection:
            return bool(await connection.scalar(select(func.count()).where(FILES.c.sha256 == sha256)))

    async def page(self, owner: str, size: int, token: str) -> tuple[list[StoredFile], str]:
        """Return up to `size` files, newest first, and the token of the next page, empty at the end."""
        query = _FILE_ROWS.where(FILES.c.owner == owner)
        if token:
            query = query.where(tuple_(FILES.c.create_time, FILES.c.file_id) < read_token(token))
        query = query.order_by(FILES.c.create_time.desc(), FILES.c.file_id.desc()).limit(size + 1)
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        more = rows[size - 1] if len(rows) > size else None
        return [_stored(row) for row in rows[:size]], write_token(more.create_time, more.file_id) if more else ""

    async def remove(self, owner: str, file_id: str) -> str | None:
        """Forget an owner's file; return the digest of a blob that nobody uses any more. Raises NotFound."""
        async with transaction(self._engine) as connection:
            found = await _one(connection, FILES.c.owner == owner, FILES.c.file_id == file_id)
            if found is None:
                raise NotFound(f"there is no file {file_id}")
            sha256 = found.ref.sha256
            await connection.execute(delete(FILES).where(FILES.c.file_id == file_id))
            uses = await connection.scalar(select(func.count()).where(FILES.c.sha256 == sha256))
            if uses:
                return None
            await connection.execute(delete(BLOBS).where(BLOBS.c.sha256 == sha256))
        return sha256


_FILE_ROWS = select(FILES, BLOBS.c.size_bytes).join(BLOBS, BLOBS.c.sha256 == FILES.c.sha256)


async def _one(connection: Any, *where: Any) -> StoredFile | None:
    row = (await connection.execute(_FILE_ROWS.where(*where))).one_or_none()
    return None if row is None else _stored(row)


def _stored(row: Any) -> StoredFile:
    created = Timestamp()
    created.FromDatetime(row.create_time)
    return StoredFile(
        ref=FileRef(file_id=row.file_id, sha256=row.sha256, size_bytes=row.size_bytes, media_type=row.media_type),
        file_name=row.file_name,
        create_time=created,
        width_px=row.width_px,
        height_px=row.height_px,
    )
