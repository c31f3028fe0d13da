"""Which tokens were used: in memory, or in a folder that restarts survive and replicas share.

In the folder a used token is an empty file, made with O_EXCL, which of any number of processes lets exactly one
succeed: on a local disk, and on NFS from version 3 on (export it with `sync`). Where that can't be told for sure, such
as on a full disk or after a lost answer, the program does not run.

    <folder>/since                                                    when the folder was made, in seconds since 1970
    <folder>/<minute in which it expires>/<SHA-256 of issuer and jti>
    <folder>/<minute in which it expires>/<SHA-256 of issuer, job and step>.<attempt>

A token of an attempt that another has overtaken is refused, too: who holds it was frozen or cut off, and what its run
leaves would count for nothing. So a step's program does not begin again once a later attempt's has begun.

What is older than the memory may have run before, and is refused: a process without a folder forgets when it ends, and
a folder may be a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from servers.kit.errors import NotReady, StorageUnavailable, TokenReplayed
from servers.kit.tokens import CODE_TOKEN_LIFETIME_S, CodeClaims

# A token is accepted a little beyond its end (clocks differ), so it is remembered longer than that.
_REMEMBERED_BEYOND_S = 60
_BUCKET_S = 60
_SWEEP_EVERY_S = 30.0
MOST_TOKENS = 100_000
"""More than this many used at a time, and none is accepted: sixty seconds of tokens are far fewer."""


class UsedTokens(Protocol):
    """Lets each token through once, among all who share this."""

    is_shared: bool
    """Whether restarts and replicas are among them."""

    async def use_up(self, tokens: Sequence[CodeClaims]) -> None:
        """Note that these are used now.

        Raises:
          TokenReplayed: one was used before, or might have been.
          StorageUnavailable: it can't be told.
        """


class InMemory:
    """Forgets with the process."""

    is_shared = False

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._since_s = int(now())
        self._used: dict[str, float] = {}
        self._begun: dict[str, tuple[int, float]] = {}
        """The latest attempt at each step, and how long that is remembered."""

    async def use_up(self, tokens: Sequence[CodeClaims]) -> None:
        """See `UsedTokens.use_up`; nothing is used up by a call that raises."""
        for token in tokens:
            if _name(token) in self._used:
                raise _replayed(token)
            _refuse_older(token, self._since_s)
            _refuse_overtaken(token, self._begun.get(_step(token), (0, 0.0))[0])
        for name in [name for name, until in self._used.items() if until < self._now()]:
            del self._used[name]
        for name in [name for name, (_, until) in self._begun.items() if until < self._now()]:
            del self._begun[name]
        if len(self._used) >= MOST_TOKENS:
            raise StorageUnavailable(f"{MOST_TOKENS} tokens were used within a minute, no more can be remembered")
        for token in tokens:
            until = token.expire_time_s + _REMEMBERED_BEYOND_S
            self._used[_name(token)] = until
            self._begun[_step(token)] = token.attempt, until


class InFolder:
    """Remembers in a folder, which holds nothing else."""

    is_shared = True

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        """Take a folder.

        Raises:
          NotReady: it can't be written; the message says what helps.
        """
        self._folder = folder
        self._now = now
        self._swept_at_s = -_SWEEP_EVERY_S
        self._count = 0
        probe = folder / f".probe-{secrets.token_hex(8)}"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _create(probe)
            # Whole under its name at once: another replica may be reading it.
            probe.write_text(str(int(now())))
            with contextlib.suppress(FileExistsError):
                os.link(probe, folder / "since")
            probe.unlink()
            self._since_s = int((folder / "since").read_text())
        except (OSError, ValueError) as error:
            raise NotReady(
                f"LOUPE_SANDBOX_USED_TOKENS_DIR: {folder} can't be written ({error}): give the sandbox's user "
                "a folder of its own there, or leave the setting empty for one replica"
            ) from error

    async def use_up(self, tokens: Sequence[CodeClaims]) -> None:
        """See `UsedTokens.use_up`; a token may be used up by a call that raises because of another."""
        # A disk may be far away: the event loop does not wait for it.
        await asyncio.to_thread(self._use_up, tokens)

    def _use_up(self, tokens: Sequence[CodeClaims]) -> None:
        try:
            self._sweep()
            if self._count >= MOST_TOKENS:
                raise StorageUnavailable(f"{self._folder} holds {MOST_TOKENS} used tokens, no more can be remembered")
            for token in tokens:
                _refuse_older(token, self._since_s)
                _refuse_overtaken(token, self._latest_attempt(token))
                bucket = self._folder / str(token.expire_time_s // _BUCKET_S)
                with contextlib.suppress(FileExistsError):
                    bucket.mkdir(mode=0o700)
                    _make_lasting(self._folder)
                try:
                    _create(bucket / _name(token))
                except FileExistsError:
                    raise _replayed(token) from None
                (bucket / f"{_step(token)}.{token.attempt}").touch(mode=0o600)
                self._count += 1
        except OSError as error:
            raise StorageUnavailable(f"the used tokens can't be remembered: {error.strerror}") from error

    def _latest_attempt(self, token: CodeClaims) -> int:
        """Return the highest attempt that began a step, 0 for none. Two replicas asked at once may both find none."""
        begun = (path.suffix[1:] for path in self._folder.glob(f"*/{_step(token)}.*"))
        return max((int(attempt) for attempt in begun if attempt.isdecimal()), default=0)

    def _sweep(self) -> None:
        """Forget what nobody accepts any more, now and then."""
        now = self._now()
        if now - self._swept_at_s < _SWEEP_EVERY_S:
            return
        self._swept_at_s = now
        count = 0
        for entry in os.scandir(self._folder):
            if not entry.name.isdecimal():
                continue
            if (int(entry.name) + 1) * _BUCKET_S + _REMEMBERED_BEYOND_S < now:
                # Another replica may be at it, too.
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with contextlib.suppress(FileNotFoundError):
                    count += sum("." not in used.name for used in os.scandir(entry.path))
        self._count = count


def _create(path: Path) -> None:
    """Make an empty file that did not exist, for good: a machine that stops now still knows it afterwards."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    _make_lasting(path.parent)


def _make_lasting(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _name(token: CodeClaims) -> str:
    return hashlib.sha256(f"{token.issuer}/{token.jti}".encode()).hexdigest()


def _step(token: CodeClaims) -> str:
    return hashlib.sha256(f"{token.issuer}/{token.job_id}/{token.step}".encode()).hexdigest()


def _refuse_overtaken(token: CodeClaims, latest: int) -> None:
    if token.attempt < latest:
        raise TokenReplayed(f"the token is of attempt {token.attempt}, and attempt {latest} at this step began already")


def _refuse_older(token: CodeClaims, since_s: int) -> None:
    if token.expire_time_s - CODE_TOKEN_LIFETIME_S < since_s:
        raise TokenReplayed(f"the token from the {token.issuer} is older than this sandbox: ask for a new one")


def _replayed(token: CodeClaims) -> TokenReplayed:
    return TokenReplayed(f"the token from the {token.issuer} was used before: ask for a new one")
