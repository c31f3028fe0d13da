"""Ordinary uids for sandboxes: one for each running sandbox, so that none can signal or count against another."""

import contextlib
import os
import pwd
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom a sandbox is started."""

    uid: int
    gid: int
    is_switched: bool
    """False where the service is itself an ordinary user and can become nobody else."""


class UidPool:
    """Lends each uid to one sandbox at a time, the longest unused first."""

    def __init__(self, first: int, count: int) -> None:
        self._free = deque(uid for uid in range(first, first + count) if not _is_known(uid))
        if not self._free:
            raise ValueError(f"every uid from {first} to {first + count - 1} belongs to an account of this machine")

    @contextlib.contextmanager
    def lend(self) -> Iterator[Identity]:
        """Lend one for as long as the context lasts."""
        if os.geteuid() != 0:
            yield Identity(os.geteuid(), os.getegid(), is_switched=False)
            return
        uid = self._free.popleft()
        try:
            yield Identity(uid, uid, is_switched=True)
        finally:
            self._free.append(uid)


def _is_known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
