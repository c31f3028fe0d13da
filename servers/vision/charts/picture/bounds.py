"""How much of a picture is looked into: beyond these counts it is a texture, and each cut is told.

The counts are at least twice the largest met in 110 real and generated charts on 2026-11-21, in brackets.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_FILLS = 40  # (17) colours of flat areas
MOST_RECTANGLES = 1500  # (77) that may be bars
MOST_KEYS = 1000  # (126) patches that may be keys of a legend
MOST_LINE_COLORS = 40  # (8) that reach across the plot
MOST_RUNS = 12  # (4) pieces of one line's colour in the median column of the plot
MOST_PARTS = 24  # charts of one picture
MOST_CUTS = 8  # bands, widest first, along which a region is tried to be cut each way
MOST_INK_COLORS = 1 << 17  # distinct pixel colours in the plot


@dataclass
class Cuts:
    """Where work on a picture was cut short: message by stable code."""

    found: dict[str, str] = field(default_factory=dict)

    def add(self, code: str, message: str) -> None:
        """Note a cut once."""
        self.found.setdefault(code, message)
