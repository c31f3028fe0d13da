"""Sessions: sandboxes that keep their state over several runs, each for one owner, as long as its lease lasts."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from loupe.sandbox.v1 import session_pb2
from loupe.sandbox.v1.sandbox_pb2 import Limits, SessionState
from sandbox import limits
from sandbox.collection import Version
from sandbox.lifetimes import to_the_end
from sandbox.policy import LimitRange
from sandbox.runners import base
from sandbox.wire_time import duration, timestamp
from servers.kit.errors import InvalidField, NotFound, NotReady, Overloaded, RequestIdReused, WrongState
from servers.kit.ids import new_id

log = logging.getLogger(__name__)

SHARED_LIMITS = ("cpu_count", "memory_mib", "disk_mib", "process_count", "inode_count")
"""Limits of a session's sandbox; the others belong to each of its runs."""


@dataclass(slots=True)
class Session:
    """One session."""

    session_id: str
    owner: str
    request: session_pb2.OpenSessionRequest
    sandbox: base.Session
    limits: Limits
    """Every field set."""
    lease_s: float
    expire_time_s: float = 0.0
    """Seconds since 1970; what counts is the timer."""
    timer: asyncio.TimerHandle | None = None
    is_busy: bool = False
    input_names: set[str] = field(default_factory=set)
    versions: Mapping[str, Version] = field(default_factory=dict)
    """Of the files that came back before."""

    def message(self) -> session_pb2.Session:
        """Return how the caller sees it."""
        return session_pb2.Session(
            session_id=self.session_id, lease=duration(self.lease_s), expire_time=timestamp(self.expire_time_s)
        )

    def state(self) -> SessionState:
        """Return what a run's result says of it."""
        if not self.sandbox.is_alive:
            return SessionState(session_id=self.session_id, has_ended=True)
        return SessionState(session_id=self.session_id, expire_time=timestamp(time.time() + self.lease_s))


class Sessions:
    """The open sessions."""

    def __init__(
        self, runner: base.Runner, allowed: Mapping[str, LimitRange], *, most: int, longest_lease_s: float
    ) -> None:
        self._runner = runner if isinstance(runner, base.SessionRunner) else None
        self._allowed = allowed
        self.most = most if self._runner else 0
        """How many there may be; 0 where the runner keeps none."""
        self.longest_lease_s = longest_lease_s
        self._open: dict[str, Session] = {}
        self._opening = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    async def open(self, owner: str, request: session_pb2.OpenSessionRequest) -> Session:
        """Return a new session, or the one that the same request opened before.

        Raises:
          WrongState: this runner keeps none, or the operator wants none.
          LimitTooHigh, InvalidField: a limit, or the lease.
          RequestIdReused: the request_id came before with another content.
          Overloaded: every place is taken.
          NotReady: no sandbox could be made.
        """
        if self._runner is None or not self.most:
            raise WrongState("this sandbox keeps no sessions: run each program by itself")
        for name, _, _ in limits.FIELDS:
            if request.limits.HasField(name) and name not in SHARED_LIMITS:  # type: ignore[arg-type]  # wants a literal
                raise InvalidField(f"limits.{name}", "belongs to each run, not to the session")
        resolved = limits.resolve(request.limits, self._allowed)
        lease_s = request.lease.ToNanoseconds() / 1e9 if request.HasField("lease") else self.longest_lease_s
        if lease_s > self.longest_lease_s:
            raise InvalidField("lease", f"is {lease_s:g} s, at most {self.longest_lease_s:g} s")
        async with self._opening:
            self._forget_dead()
            if request.request_id:
                for session in self._open.values():
                    if (session.owner, session.request.request_id) == (owner, request.request_id):
                        if session.request != request:
                            raise RequestIdReused(f"request_id {request.request_id} opened another session")
                        return session
            if self.count >= self.most:
                raise Overloaded(
                    f"{self.count} sessions are open, at most {self.most}", retry_after_s=self._next_end_s()
                )
            try:
                sandbox = await self._runner.open_session(resolved)
            except base.SandboxBroken as error:
                log.warning("no session could be opened", extra={"reason": str(error)[:500]})
                raise NotReady("the sandbox could not make a session") from error
            session = Session(new_id("session"), owner, request, sandbox, resolved, lease_s)
            self._open[session.session_id] = session
            self._lease(session)
            return session

    @asynccontextmanager
    async def use(self, owner: str, session_id: str) -> AsyncIterator[Session]:
        """Hold a session for one run; leaving renews its lease, or forgets it if it has ended.

        Raises:
          NotFound: it has ended, or is another's.
          WrongState: a program runs in it.
        """
        session = self._find(owner, session_id)
        if session.is_busy:
            raise WrongState(f"a program runs in session {session_id}: it runs one at a time")
        session.is_busy = True
        if session.timer:
            session.timer.cancel()
        try:
            yield session
        finally:
            session.is_busy = False
            if session.session_id in self._open and session.sandbox.is_alive:
                self._lease(session)
            else:
                await to_the_end(self._end(session))

    async def close(self, owner: str, session_id: str) -> None:
        """End a session, also one in which a program runs.

        Raises:
          NotFound: it has ended, or is another's.
        """
        session = self._find(owner, session_id)
        if session.is_busy:
            # What its run still needs goes with the run.
            del self._open[session_id]
            session.sandbox.kill()
        else:
            await to_the_end(self._end(session))

    async def close_all(self) -> None:
        """End every session."""
        await asyncio.gather(*(self._end(session) for session in tuple(self._open.values())), *self._closing)

    def limits_of(self, session: Session, requested: Limits) -> Limits:
        """Return the limits of one run, every field set.

        Raises:
          InvalidField: one of the session's own is given.
          LimitTooHigh: as `limits.resolve`.
        """
        for name in SHARED_LIMITS:
            if requested.HasField(name):  # type: ignore[arg-type]  # wants a literal
                raise InvalidField(f"spec.limits.{name}", "was set for all runs when the session was opened")
        resolved = limits.resolve(requested, self._allowed)
        for name in SHARED_LIMITS:
            setattr(resolved, name, getattr(session.limits, name))
        return resolved

    def _find(self, owner: str, session_id: str) -> Session:
        self._forget_dead()
        session = self._open.get(session_id)
        if session is None or session.owner != owner:
            raise NotFound(f"no session {session_id}: it has ended, or never was")
        return session

    def _lease(self, session: Session) -> None:
        loop = asyncio.get_running_loop()
        session.expire_time_s = time.time() + session.lease_s
        session.timer = loop.call_later(session.lease_s, self._end_later, session)

    def _forget_dead(self) -> None:
        for session in tuple(self._open.values()):
            if not session.is_busy and not session.sandbox.is_alive:
                self._end_later(session)

    def _end_later(self, session: Session) -> None:
        self._open.pop(session.session_id, None)
        task = asyncio.create_task(self._end(session))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _end(self, session: Session) -> None:
        self._open.pop(session.session_id, None)
        if session.timer:
            session.timer.cancel()
        await session.sandbox.close()

    def _next_end_s(self) -> float:
        soonest = min((session.expire_time_s for session in self._open.values()), default=0.0)
        return float(max(1, math.ceil(soonest - time.time())))
