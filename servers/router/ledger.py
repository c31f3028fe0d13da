"""The exact record of every ask: who, for which job, whom, how many tokens, at what price."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import ColumnElement, bindparam, func, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from loupe.router.v1.router_pb2 import ErasedAsks
from servers.kit.database import forget_deleted, insert_into, transaction
from servers.kit.errors import StorageUnavailable
from servers.router.journal import COLUMNS, Journal, LedgerRow, read_segment
from servers.router.payers import NOBODY
from servers.router.tables import ASKS, ERASED

log = logging.getLogger(__name__)

STARTED = "STARTED"
COMPLETE = "COMPLETE"
INCOMPLETE = "INCOMPLETE"
CANCELLED = "CANCELLED"
INTERRUPTED = "INTERRUPTED"
MAX_WAITING = 100_000
"""Rows that may wait for a database that refuses; then no more calls are taken."""
_BATCH = 500
_INSERT = sqlite.insert(ASKS).values(dict.fromkeys(COLUMNS))
# Who it was for stays as it is on record: a row that comes late, or again from a journal that a power cut brought back,
# makes nobody's ask no one's again.
_SETTLED = frozenset(("call_id", "number", "owner", "job_id", "request_id"))
_WHAT_ENDS_A_ROW = {name: getattr(_INSERT.excluded, name) for name in COLUMNS if name not in _SETTLED}
# As text: to fit each row to a statement costs SQLAlchemy as much as SQLite takes to store it.
_UPSERT = str(
    _INSERT.on_conflict_do_update(index_elements=["call_id", "number"], set_=_WHAT_ENDS_A_ROW).compile(
        dialect=sqlite.dialect()
    )
)


class Ledger:
    """The journal and the table behind it."""

    def __init__(self, engine: AsyncEngine, journal: Journal, *, flush_s: float) -> None:
        self._engine = engine
        self._journal = journal
        self._flush_s = flush_s
        self._waiting: list[LedgerRow] = []
        self._has_rows = asyncio.Event()
        self._flushing = asyncio.Lock()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take in what an earlier process left, and carry rows to the table until the block ends."""
        await self._recover()
        carrying = asyncio.create_task(self._carry())
        try:
            yield
        finally:
            # Not amid a transaction: a connection that is given up there keeps the table locked.
            async with self._flushing:
                carrying.cancel()
            await asyncio.gather(carrying, return_exceptions=True)
            await self.flush()
            self._journal.close()
            for segment in self._journal.segments():
                segment.unlink()

    def record(self, row: LedgerRow) -> None:
        """Write a row down before its answer is given. Raises StorageUnavailable."""
        if len(self._waiting) >= MAX_WAITING:
            raise StorageUnavailable(f"{len(self._waiting)} rows wait for the ledger's database, at most {MAX_WAITING}")
        self._journal.append(row)
        self._waiting.append(row)
        self._has_rows.set()

    @property
    def waiting(self) -> Sequence[LedgerRow]:
        """Rows that are in the journal and not yet in the table."""
        return self._waiting

    async def flush(self) -> None:
        """Bring every row that was recorded into the table. Raises StorageUnavailable; the rows stay in the journal."""
        async with self._flushing:
            await self._flush()

    async def settle(self) -> None:
        """Bring every row that was recorded into the table, and leave no file of the journal from before.

        Raises:
          StorageUnavailable: the rows stay in the journal.
        """
        async with self._flushing:
            await self._turn_over()

    async def erase_some(self, owner: str, erasure_id: str, limit: int) -> list[str]:
        """Make up to `limit` of an owner's asks in the table nobody's, and count them as proof of an erasure.

        Returns:
          The job of each, empty for none; an empty list once nothing is left.
        Raises:
          StorageUnavailable.
        """
        theirs = select(ASKS.c.call_id, ASKS.c.number, ASKS.c.job_id).where(ASKS.c.owner == owner).limit(limit)
        named = (ASKS.c.call_id == bindparam("of_call"), ASKS.c.number == bindparam("of_number"))
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(theirs)).all()
            if rows:
                nobodys = update(ASKS).where(*named).values(owner=NOBODY, job_id="", request_id="")
                await connection.execute(nobodys, [{"of_call": row.call_id, "of_number": row.number} for row in rows])
                now = datetime.now(UTC).replace(tzinfo=None)
                proof = insert_into(connection, ERASED).values(
                    erasure_id=erasure_id, owner_sha256=_digest(owner), ask_count=len(rows), erase_time=now
                )
                more = {"ask_count": ERASED.c.ask_count + len(rows), "erase_time": now}
                await connection.execute(proof.on_conflict_do_update(index_elements=["erasure_id"], set_=more))
        return [row.job_id for row in rows]

    async def forget_erased(self) -> None:
        """Leave nothing of what was erased in the database's file. Raises StorageUnavailable."""
        await forget_deleted(self._engine)

    async def erased(self, owner: str, after_erasure_id: str, limit: int) -> list[ErasedAsks]:
        """Return the proofs of an owner's erasures, ordered by their ids."""
        where = (ERASED.c.owner_sha256 == _digest(owner), ERASED.c.erasure_id > after_erasure_id)
        query = select(ERASED).where(*where).order_by(ERASED.c.erasure_id).limit(limit)
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        proofs = []
        for row in rows:
            proof = ErasedAsks(erasure_id=row.erasure_id, ask_count=row.ask_count, erase_time=Timestamp())
            proof.erase_time.FromDatetime(row.erase_time)
            proofs.append(proof)
        return proofs

    async def _flush(self) -> None:
        if self._waiting:
            await self._turn_over()

    async def _turn_over(self) -> None:
        segments = self._journal.begin()
        rows, self._waiting = self._waiting, []
        self._has_rows.clear()
        try:
            await self._insert(rows)
        except StorageUnavailable:
            self._waiting = rows + self._waiting
            raise
        for segment in segments:
            segment.unlink()

    async def sums(self, by: Sequence[str], where: Sequence[ColumnElement[bool]], limit: int) -> list[dict[str, Any]]:
        """Return sums over the ended asks that match, for each combination of the columns in `by`; dearest first.

        What `waiting` holds at the return is not in them.
        """
        keys = [ASKS.c[name] for name in by]
        query = select(
            *keys,
            func.count(func.distinct(ASKS.c.call_id)).label("call_count"),
            func.count().filter(~ASKS.c.is_cache_hit).label("attempt_count"),
            func.count().filter(ASKS.c.outcome != COMPLETE).label("failed_attempt_count"),
            func.count().filter(ASKS.c.is_cache_hit).label("cache_hit_count"),
            func.coalesce(func.sum(ASKS.c.input_tokens), 0).label("input_tokens"),
            func.coalesce(func.sum(ASKS.c.output_tokens), 0).label("output_tokens"),
            func.coalesce(func.sum(ASKS.c.cached_input_tokens), 0).label("cached_input_tokens"),
            func.coalesce(func.max(ASKS.c.is_estimated), False).label("is_estimated"),
            func.coalesce(func.sum(ASKS.c.gpu_s), 0.0).label("gpu_s"),
            func.coalesce(func.sum(ASKS.c.cost_nano_usd), 0).label("cost_nano_usd"),
            func.coalesce(func.sum(ASKS.c.audio_ms), 0).label("audio_ms"),
        ).where(ASKS.c.outcome != STARTED, *where)
        newest_first = func.max(ASKS.c.start_time_ms).desc()
        order = newest_first if "call_id" in by else func.sum(ASKS.c.cost_nano_usd).desc()
        if keys:
            query = query.group_by(*keys)
        # Nothing moves from the journal to the table between the flush and the sums.
        async with self._flushing:
            await self._flush()
            async with transaction(self._engine) as connection:
                rows = (await connection.execute(query.order_by(order).limit(limit))).mappings().all()
        return [dict(row) for row in rows]

    async def _carry(self) -> None:
        while True:
            await self._has_rows.wait()
            await asyncio.sleep(self._flush_s)
            try:
                await self.flush()
            except StorageUnavailable as error:
                log.error("the ledger waits for its database", extra={"reason": error.message})
                await asyncio.sleep(1)

    async def _recover(self) -> None:
        """Take in the segments of a process that was killed; its unfinished asks are told as such."""
        segments = self._journal.segments()
        rows = [row for segment in segments for row in read_segment(segment)]
        await self._insert(rows)
        async with transaction(self._engine) as connection:
            await connection.execute(update(ASKS).where(ASKS.c.outcome == STARTED).values(outcome=INTERRUPTED))
        for segment in segments:
            segment.unlink()
        if rows:
            log.info("took the journal in", extra={"rows": len(rows)})
        self._journal.open()

    async def _insert(self, rows: Sequence[LedgerRow]) -> None:
        async with transaction(self._engine) as connection:
            for start in range(0, len(rows), _BATCH):
                await connection.exec_driver_sql(_UPSERT, rows[start : start + _BATCH])


def _digest(owner: str) -> str:
    return hashlib.sha256(owner.encode()).hexdigest()
