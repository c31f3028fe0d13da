"""What became of one value: read right, read wrong, not read, or invented."""

from __future__ import annotations

from dataclasses import dataclass

from loupe.type.v1 import figure_pb2
from tests.specimens.items import ReadItem

WITHIN = 0.05
"""A value is right within 5 % of the truth ..."""
OF_SPAN = 0.01
"""... or, which matters near zero, within 1 % of what its axis spans."""


@dataclass(frozen=True)
class ValueScore:
    """One true value and what was read for it, or one read value that nothing stands for."""

    series: str
    label: str
    true: float | str | None
    """None for an invention."""
    read: float | str | None
    """None where nothing was read."""
    error: float
    """|read - true| / |true|; infinite for inventions and where nothing was read."""
    is_right: bool
    confidence: float = 0.0
    origin: int = 0
    fidelity: int = 0
    value_id: str = ""
    """Of the value that was read; empty where nothing was."""

    @property
    def is_read(self) -> bool:
        """There is a value, right or wrong or invented."""
        return self.read is not None

    @property
    def is_invented(self) -> bool:
        """Nothing in the picture stands for it."""
        return self.true is None

    @property
    def is_passed(self) -> bool:
        """It was handed out as usable without a look."""
        return self.is_read and self.fidelity == figure_pb2.FIDELITY_PASS

    @classmethod
    def missing(cls, series: str, label: str, true: float | str) -> ValueScore:
        """Return the score of a value that nobody read."""
        return cls(series, label, true, None, float("inf"), False)

    @classmethod
    def invention(cls, item: ReadItem) -> ValueScore:
        """Return the score of a read value without a true one."""
        read = item.number if item.number is not None else item.text
        inf = float("inf")
        return cls(
            item.series, item.label, None, read, inf, False, item.confidence, item.origin, item.fidelity, item.value_id
        )

    @classmethod
    def of(cls, series: str, label: str, true: float | str, item: ReadItem, error: float, is_right: bool) -> ValueScore:
        """Return the score of a value that was read."""
        read = item.number if item.number is not None and not isinstance(true, str) else item.text
        return cls(
            series, label, true, read, error, is_right, item.confidence, item.origin, item.fidelity, item.value_id
        )


def relative_error(read: float, true: float) -> float:
    """Return how far off a number is, as a share of the truth."""
    if read == true:
        return 0.0
    return abs(read - true) / abs(true) if true else float("inf")


def is_right(read: float, true: float, span: float) -> bool:
    """Return whether a number counts as read. `span` is what its axis covers, 0 where there is none."""
    return abs(read - true) <= max(WITHIN * abs(true), OF_SPAN * span) * (1 + 1e-9)
