"""Labels that state numbers, lined up along an axis: what axes are made of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from servers.vision.charts.axes.calibration import AxisFit
from servers.vision.charts.axes.value_axis import Direction, TickMark, ValueAxis
from servers.vision.charts.picture.page import Quantity, TextRun, quantity


@dataclass(frozen=True, slots=True)
class NumberLabel:
    """A run of text that states a number."""

    run: TextRun
    number: float
    unit: str = ""


def tick_value(text: str) -> Quantity | None:
    """Return the number a tick states, or None. "0015" is 0.015: small print loses its point, ticks have no codes."""
    plain = re.fullmatch(r"([-−–]?)0(0\d+|\d{2,})", text.strip())
    return quantity(f"{plain[1]}0.{plain[2]}" if plain else text)


def aligned(labels: Sequence[NumberLabel], edge: str, tolerance: float) -> list[list[NumberLabel]]:
    """Return groups of labels whose edge is the same to within the tolerance."""
    groups: list[list[NumberLabel]] = []
    for label in sorted(labels, key=lambda label: getattr(label.run.box, edge)):
        place = getattr(label.run.box, edge)
        if groups and place - np.median([getattr(member.run.box, edge) for member in groups[-1]]) <= tolerance:
            groups[-1].append(label)
        else:
            groups.append([label])
    return [group for group in groups if len(group) >= 2]


def assembled(direction: Direction, labels: Sequence[NumberLabel], fit: AxisFit) -> ValueAxis:
    """Return the axis that the labels on a line make."""
    along = "center_y" if direction == "y" else "center_x"
    ticks = sorted(
        (
            TickMark(label.run.text, label.number, float(getattr(label.run.box, along)), label.run.box)
            for label in labels
        ),
        key=lambda tick: tick.position,
    )
    units = [label.unit for label in labels if label.unit]
    unit = max(set(units), key=units.count) if units else ""
    years = all(
        tick.number == int(tick.number) and 1500 <= tick.number <= 2199 and re.fullmatch(r"\D?\d{4}\D?", tick.text)
        for tick in ticks
    )
    return ValueAxis(direction, tuple(ticks), fit, unit, bool(years) and not unit)
