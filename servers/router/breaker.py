"""Keeps calls away from a provider that fails: closed, open for a while, half-open for one trial."""

from __future__ import annotations

from collections.abc import Callable

from loupe.router.v1.router_pb2 import BreakerState

MAX_OPEN_S = 60.0


class Breaker:
    """The breaker of one provider.

    Opens after so many failures in a row; each trial that fails doubles the wait, one success closes it.
    """

    def __init__(self, failures: int, open_s: float, clock: Callable[[], float]) -> None:
        self._limit = failures
        self._first_open_s = open_s
        self._clock = clock
        self._in_a_row = 0
        self._open_s = open_s
        self._open_until: float | None = None
        self._has_trial = False
        self._cool_until = 0.0

    @property
    def state(self) -> BreakerState.ValueType:
        """How it stands now."""
        if self._open_until is None:
            return BreakerState.BREAKER_STATE_CLOSED
        if self._clock() < self._open_until:
            return BreakerState.BREAKER_STATE_OPEN
        return BreakerState.BREAKER_STATE_HALF_OPEN

    @property
    def wait_s(self) -> float:
        """How long nobody may ask; 0 where the next call may."""
        until = max(self._cool_until, self._open_until or 0.0)
        return max(0.0, until - self._clock())

    def admits(self) -> bool:
        """Return whether the provider may be asked now.

        A True while half-open is the one trial: one of the three notes below must follow.
        """
        if self.wait_s > 0:
            return False
        if self._open_until is None:
            return True
        if self._has_trial:
            return False
        self._has_trial = True
        return True

    def succeeded(self) -> None:
        """Note an answer."""
        self._in_a_row = 0
        self._open_until = None
        self._open_s = self._first_open_s
        self._has_trial = False

    def failed(self) -> None:
        """Note a failure that speaks against the provider."""
        self._in_a_row += 1
        if self._has_trial:
            self._has_trial = False
            self._open_s = min(self._open_s * 2, MAX_OPEN_S)
            self._open_until = self._clock() + self._open_s
        elif self._open_until is None and self._in_a_row >= self._limit:
            self._open_until = self._clock() + self._open_s

    def passed_over(self) -> None:
        """Note an ask that says nothing about the provider's health, such as one that was cancelled."""
        self._has_trial = False

    def cool(self, seconds: float) -> None:
        """Leave the provider alone for as long as it asked to be."""
        self._cool_until = max(self._cool_until, self._clock() + seconds)
