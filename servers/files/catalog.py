"""Who owns which file: the records over the blobs."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import delete, exists, func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from loupe.files.v1.files_pb2 import ErasedFile, OldUpload, StoredFile
from loupe.type.v1.file_ref_pb2 import FileRef
from servers.files.media import Media
from servers.files.tables import BLOBS, CLAIMS, ERASED, FILES
from servers.kit.database import forget_deleted, insert_into, transaction
from servers.kit.errors import NotFound, RequestIdReused, WrongState
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
    job_id: str | None = None
    """In the course of which job a server stored it."""


class Catalog:
    """The records of one files server."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def known(self, new: NewFile) -> StoredFile | None:
        """Return the file that the same request made before, if it did.

        Raises:
          RequestIdReused: the same request id came with another content.
        """
        async with transaction(self._engine) as connection:
            return await _known(connection, new)

    async def claim(self, sha256: str, size_bytes: int, *, for_s: float) -> str:
        """Keep a blob from being removed for a while, whoever uses it, and return the claim's id."""
        claim_id = new_id("claim")
        async with transaction(self._engine) as connection:
            # An update of what is there already waits for who removes it just now, and then makes it anew.
            blob = insert_into(connection, BLOBS).values(sha256=sha256, size_bytes=size_bytes)
            await connection.execute(
                blob.on_conflict_do_update(index_elements=["sha256"], set_={"size_bytes": size_bytes})
            )
            until = _now() + timedelta(seconds=for_s)
            await connection.execute(insert(CLAIMS).values(claim_id=claim_id, sha256=sha256, expire_time=until))
        return claim_id

    async def release(self, claim_id: str) -> None:
        """Give up a claim."""
        async with transaction(self._engine) as connection:
            await connection.execute(delete(CLAIMS).where(CLAIMS.c.claim_id == claim_id))

    async def add(self, new: NewFile, claim_id: str) -> StoredFile:
        """Record a file in place of the claim on its blob, or return the one that the same request made before.

        Raises:
          RequestIdReused: the same request id came with another content.
        """
        file_id = new_id("file")
        async with transaction(self._engine) as connection:
            values = {
                "file_id": file_id,
                "owner": new.owner,
                "request_id": new.request_id or file_id,
                "sha256": new.sha256,
                "file_name": new.file_name,
                "media_type": new.media.media_type,
                "width_px": new.media.width_px,
                "height_px": new.media.height_px,
                "create_time": _now(),
                "job_id": new.job_id,
            }
            await connection.execute(insert_into(connection, FILES).values(values).on_conflict_do_nothing())
            await connection.execute(delete(CLAIMS).where(CLAIMS.c.claim_id == claim_id))
            stored = await _one(connection, FILES.c.file_id == file_id) or await _known(connection, new)
        assert stored is not None  # inserted above, or in the way of that
        return stored

    async def get(self, owner: str, file_id: str) -> StoredFile:
        """Return an owner's file. Raises NotFound, also for someone else's."""
        async with transaction(self._engine) as connection:
            found = await _one(connection, FILES.c.owner == owner, FILES.c.file_id == file_id)
        if found is None:
            raise NotFound(f"there is no file {file_id}")
        return found

    async def page(self, owner: str, size: int, token: str, *, job_id: str = "") -> tuple[list[StoredFile], str]:
        """Return up to `size` files, newest first, and the token of the next page, empty at the end.

        Args:
          job_id: of the job that they were stored for; empty for all.
        """
        query = _FILE_ROWS.where(FILES.c.owner == owner)
        if job_id:
            query = query.where(FILES.c.job_id == job_id)
        if token:
            query = query.where(tuple_(FILES.c.create_time, FILES.c.file_id) < read_token(token))
        query = query.order_by(FILES.c.create_time.desc(), FILES.c.file_id.desc()).limit(size + 1)
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        more = rows[size - 1] if len(rows) > size else None
        return [_stored(row) for row in rows[:size]], write_token(more.create_time, more.file_id) if more else ""

    async def old_uploads(self, before: datetime, size: int, token: str) -> tuple[list[OldUpload], str]:
        """Return up to `size` files of all owners that no job was the cause of, from before a time (UTC), oldest first.

        The second is the token of the next page, empty at the end.
        """
        query = select(FILES.c.file_id, FILES.c.owner, FILES.c.create_time)
        query = query.where(FILES.c.job_id.is_(None), FILES.c.create_time < before)
        if token:
            query = query.where(tuple_(FILES.c.create_time, FILES.c.file_id) > read_token(token))
        query = query.order_by(FILES.c.create_time, FILES.c.file_id).limit(size + 1)
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        last = rows[size - 1] if len(rows) > size else None
        uploads = [OldUpload(file_id=row.file_id, owner=row.owner) for row in rows[:size]]
        return uploads, write_token(last.create_time, last.file_id) if last else ""

    async def remove(self, owner: str, file_id: str, uploaded_before: datetime | None = None) -> str:
        """Forget an owner's file and return the digest of its blob.

        Args:
          uploaded_before: forget only what its owner uploaded before then (UTC); None for whatever it is.
        Raises:
          NotFound: they have no such file.
          WrongState: it is younger, or a server stored it for a job.
        """
        where = (FILES.c.owner == owner, FILES.c.file_id == file_id)
        async with transaction(self._engine) as connection:
            row = (await connection.execute(select(FILES).where(*where).with_for_update())).one_or_none()
            if row is None:
                raise NotFound(f"there is no file {file_id}")
            if uploaded_before is not None and (row.job_id is not None or row.create_time >= uploaded_before):
                raise WrongState(f"{file_id} is no upload of before {uploaded_before:%Y-%m-%dT%H:%M:%SZ}")
            await connection.execute(delete(FILES).where(*where))
        return str(row.sha256)

    async def erase_some(self, owner: str, limit: int) -> list[str]:
        """Forget up to `limit` files of an owner, leave a proof of each, and return the digests of their blobs."""
        query = _FILE_ROWS.where(FILES.c.owner == owner).order_by(FILES.c.file_id).limit(limit)
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query.with_for_update(of=FILES))).all()
            if rows:
                proofs = [
                    {
                        "file_id": row.file_id,
                        "owner_sha256": _digest(owner),
                        "sha256": row.sha256,
                        "size_bytes": row.size_bytes,
                        "erase_time": _now(),
                    }
                    for row in rows
                ]
                await connection.execute(insert(ERASED), proofs)
                await connection.execute(delete(FILES).where(FILES.c.file_id.in_([row.file_id for row in rows])))
        return [row.sha256 for row in rows]

    async def forget_erased(self) -> None:
        """Leave nothing of what was erased in a file of records. Raises StorageUnavailable."""
        await forget_deleted(self._engine)

    async def erased(self, owner: str, after_file_id: str, limit: int) -> list[ErasedFile]:
        """Return the proofs of what was erased of an owner, ordered by file id."""
        query = (
            select(ERASED, BLOBS.c.sha256.is_not(None).label("is_kept"))
            .outerjoin(BLOBS, BLOBS.c.sha256 == ERASED.c.sha256)
            .where(ERASED.c.owner_sha256 == _digest(owner), ERASED.c.file_id > after_file_id)
            .order_by(ERASED.c.file_id)
            .limit(limit)
        )
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        return [
            ErasedFile(
                file_id=row.file_id,
                sha256=row.sha256,
                size_bytes=row.size_bytes,
                erase_time=_timestamp(row.erase_time),
                is_kept=row.is_kept,
            )
            for row in rows
        ]

    @asynccontextmanager
    async def unused(self, sha256: str) -> AsyncIterator[bool]:
        """Yield whether nobody has a use for a blob. If so its bytes may go within the block, and its row goes after.

        Whoever wants the blob in the meantime waits, and then makes it anew.
        """
        async with transaction(self._engine) as connection:
            # Also for bytes without a row, which nobody else then makes a row for.
            blob = insert_into(connection, BLOBS).values(sha256=sha256, size_bytes=0)
            await connection.execute(
                blob.on_conflict_do_update(index_elements=["sha256"], set_={"size_bytes": BLOBS.c.size_bytes})
            )
            where = (CLAIMS.c.sha256 == sha256, CLAIMS.c.expire_time > _now())
            uses = await connection.scalar(select(func.count()).where(FILES.c.sha256 == sha256))
            claims = await connection.scalar(select(func.count()).where(*where))
            is_unused = not uses and not claims
            yield is_unused
            if is_unused:
                await connection.execute(delete(CLAIMS).where(CLAIMS.c.sha256 == sha256))
                await connection.execute(delete(BLOBS).where(BLOBS.c.sha256 == sha256))

    async def unused_blobs(self, limit: int) -> list[str]:
        """Return digests of blobs that neither a file nor a living claim holds."""
        files = exists().where(FILES.c.sha256 == BLOBS.c.sha256)
        claims = exists().where(CLAIMS.c.sha256 == BLOBS.c.sha256, CLAIMS.c.expire_time > _now())
        async with transaction(self._engine) as connection:
            return list((await connection.scalars(select(BLOBS.c.sha256).where(~files, ~claims).limit(limit))).all())

    async def without_row(self, digests: Sequence[str]) -> list[str]:
        """Return those of some digests of which no blob is on record."""
        async with transaction(self._engine) as connection:
            known = set((await connection.scalars(select(BLOBS.c.sha256).where(BLOBS.c.sha256.in_(digests)))).all())
        return [sha256 for sha256 in digests if sha256 not in known]


_FILE_ROWS = select(FILES, BLOBS.c.size_bytes).join(BLOBS, BLOBS.c.sha256 == FILES.c.sha256)


async def _known(connection: AsyncConnection, new: NewFile) -> StoredFile | None:
    if not new.request_id:
        return None
    known = await _one(connection, FILES.c.owner == new.owner, FILES.c.request_id == new.request_id)
    if known is not None and known.ref.sha256 != new.sha256:
        raise RequestIdReused(f"request_id {new.request_id!r} was used for another content")
    return known


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _digest(owner: str) -> str:
    return hashlib.sha256(owner.encode()).hexdigest()


async def _one(connection: Any, *where: Any) -> StoredFile | None:
    row = (await connection.execute(_FILE_ROWS.where(*where))).one_or_none()
    return None if row is None else _stored(row)


def _stored(row: Any) -> StoredFile:
    return StoredFile(
        ref=FileRef(file_id=row.file_id, sha256=row.sha256, size_bytes=row.size_bytes, media_type=row.media_type),
        file_name=row.file_name,
        create_time=_timestamp(row.create_time),
        width_px=row.width_px,
        height_px=row.height_px,
    )


def _timestamp(value: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(value)
    return stamp
