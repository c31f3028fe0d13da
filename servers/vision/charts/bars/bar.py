"""Bars and the lanes they stand in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from servers.vision.charts.bars.frame import Frame
from servers.vision.geometry import PixelBox


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle, in frame coordinates."""

    fill: int
    lane: int
    start: float
    """Along: the end nearer the baseline."""
    end: float
    """Along: the end that shows the value."""


@dataclass(frozen=True, slots=True)
class BarChart:
    """Bars and the lanes they stand in, lanes in reading order."""

    frame: Frame
    bars: tuple[Bar, ...]
    lanes: tuple[tuple[float, float], ...]
    baseline: float | None
    """Along: where most bars start; None where stacks are centred or each starts elsewhere."""

    @property
    def stacked(self) -> bool:
        """Some lane holds more than one bar on the same side of the baseline."""
        counts = Counter((bar.lane, bar.end > bar.start) for bar in self.bars)
        return sum(count > 1 for count in counts.values()) * 2 >= len(self.lanes)

    def box_of(self, bar: Bar) -> PixelBox:
        """Return the bar's pixels."""
        return self.frame.box(self.lanes[bar.lane], (bar.start, bar.end))

    @property
    def thickness(self) -> float:
        """Median across the lanes, pixels."""
        return float(np.median([hi - lo for lo, hi in self.lanes]))
