"""Who may run: code with a valid token, once, and only as many programs at a time as there are places."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from loupe.sandbox.v1.sandbox_pb2 import RunSpec
from sandbox.used_tokens import UsedTokens
from servers.kit.errors import CodeNotAuthorized, Overloaded
from servers.kit.tokens import CodeClaims, verify_code_token


class TokenGate:
    """Checks the tokens of a run; each lets one run through."""

    def __init__(
        self,
        critic_key: Ed25519PublicKey,
        approval_key: Ed25519PublicKey,
        *,
        used: UsedTokens,
        operator_key: Ed25519PublicKey | None = None,
    ) -> None:
        """Take the critic's signature, or in its place only the operator's where that key is given."""
        self._issuer, self._key = ("operator", operator_key) if operator_key else ("critic", critic_key)
        self._approval_key = approval_key
        self.used = used

    async def admit(self, spec: RunSpec) -> CodeClaims:
        """Return the claims under which exactly this source may run now, and use its tokens up.

        Raises:
          CodeNotAuthorized: the critic's token, or the approval it asks for, is missing, forged, expired, for other
            code or for another step.
          TokenReplayed: one was used before.
          StorageUnavailable: whether it was can't be told.
        """
        code_sha256 = hashlib.sha256(spec.source.encode()).hexdigest()
        claims = verify_code_token(spec.critic_token, self._key, code_sha256=code_sha256, issuer=self._issuer)
        tokens = [claims]
        if claims.needs_approval:
            approval = verify_code_token(
                spec.approval_token, self._approval_key, code_sha256=code_sha256, issuer="orchestrator"
            )
            if (approval.job_id, approval.step, approval.attempt) != (claims.job_id, claims.step, claims.attempt):
                raise CodeNotAuthorized("the approval is for another step than the critic's token")
            tokens.append(approval)
        await self.used.use_up(tokens)
        return claims


class Places:
    """A bounded number of runs, and a bounded number that wait."""

    def __init__(self, running: int, waiting: int) -> None:
        self._running = running
        self._waiting = waiting
        self._free = asyncio.Semaphore(running)
        self._present = 0
        self.refused_count = 0
        """How many found no place, since the start."""

    @property
    def running_count(self) -> int:
        """How many hold a place now."""
        return min(self._present, self._running)

    @property
    def queued_count(self) -> int:
        """How many wait for one now."""
        return max(0, self._present - self._running)

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Hold a place for as long as the context lasts, waiting for it in turn.

        Raises:
          Overloaded: everything is taken, the queue too.
        """
        if self._present >= self._running + self._waiting:
            self.refused_count += 1
            raise Overloaded(
                f"{self._running} programs run and {self._waiting} wait: every place is taken", retry_after_s=5.0
            )
        self._present += 1
        try:
            async with self._free:
                yield
        finally:
            self._present -= 1
