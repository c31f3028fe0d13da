"""What is wrong for a while, told to the operator: one log line when it begins, one when it ends."""

from __future__ import annotations

import logging
import time
from typing import Any

log = logging.getLogger(__name__)


class Condition:
    """Something outside that is away, as long as it is; in the log by its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._began: float | None = None

    @property
    def is_active(self) -> bool:
        """Whether it has begun and not ended."""
        return self._began is not None

    def begin(self, reason: str, **fields: Any) -> None:
        """Say that it began; while it lasts, nothing."""
        if self._began is None:
            self._began = time.monotonic()
            log.error("condition began", extra={"condition": self.name, "reason": reason} | fields)

    def end(self, **fields: Any) -> None:
        """Say that it ended, if it had begun."""
        if self._began is not None:
            lasted_s = round(time.monotonic() - self._began, 3)
            self._began = None
            log.warning("condition ended", extra={"condition": self.name, "lasted_s": lasted_s} | fields)
