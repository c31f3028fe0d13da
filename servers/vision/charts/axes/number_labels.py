"""Labels that state numbers, lined up along an axis: what axes are made of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from servers.vision.charts.axes.calibration import AxisFit, Floats
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


def with_separators_told(
    group: Sequence[NumberLabel], pixels: Floats, fit: AxisFit, tolerance_px: float
) -> list[NumberLabel] | None:
    """Return the labels with the points of "2.500" read as separators where the number then lies on the axis.

    None where there is no such label.
    """
    out, told = list(group), False
    for index, label in enumerate(group):
        digits = re.fullmatch(r"\D?(\d{1,3}(?:[.,]\d{3})+)\D?", label.run.text.strip())
        if index in fit.inliers or digits is None:
            continue
        number = float(re.sub(r"\D", "", digits[1]))
        if number != label.number and abs(fit.pixel(number) - pixels[index]) <= tolerance_px:
            out[index], told = replace(label, number=number), True
    return out if told else None


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
