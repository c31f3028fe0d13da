"""Bounds how much retries may add to a provider's load: in a storm, a retry is what keeps it going."""

from __future__ import annotations

# A short run of failures after a start finds these; in a long storm they don't count.
_RESERVE = 5.0
_MOST = 50.0


class RetryBudget:
    """Each first ask of a provider earns a share of a retry; each retry costs one (as Finagle's RetryBudget).

    Of n calls a provider sees at most n * (1 + share) + 5 asks.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._left = _RESERVE if share else 0.0

    def earn(self) -> None:
        """Note a first ask."""
        self._left = min(self._left + self._share, _MOST)

    def spend(self) -> bool:
        """Take one retry; False where none is left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
