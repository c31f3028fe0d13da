"""What speaks for each value of a chart: its label against its mark, and how finely its axis measures it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from loupe.type.v1 import figure_pb2
from servers.vision.charts.axes.calibration import fit_axis
from servers.vision.measuring import BARS, Entry, Place, Scale, distance_px, entries, places_on_mark
from servers.vision.numbers import parse_number

NEAR = 0.05
"""Share of a value within which it counts as right."""
_NEAR_PX = 3.0
"""A bar's end and the axis's foot are each known to about 1.5 px."""
_FEWEST = 3
"""Labels that a scale of their own may rest on."""
_MOST = 0.6
"""Share of the labels that has to agree for the others to stand out."""


class Agreement(Enum):
    """What the mark says of a printed number."""

    UNCHECKED = "unchecked"
    AGREES = "agrees"
    DISAGREES = "disagrees"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for one value."""

    entry: Entry
    agreement: Agreement
    worth_px: float
    """By how much the value changes over a pixel there; 0 where no axis measures it."""
    residual_px: float
    """Of the axis there; 0 where none measures it."""
    tick_count: int
    """Of the axis there; 0 where none measures it."""
    agreeing: float
    """Of the labels held against the same axis, the share that agrees; 0 where none could be."""

    @property
    def slack_px(self) -> float | None:
        """How many pixels the mark may be off before the number is 5 % wrong; None where no axis measures it."""
        return NEAR * abs(self.entry.value.number) / self.worth_px if self.worth_px else None


def evidence_of(chart: figure_pb2.Chart) -> list[Evidence]:
    """Return the evidence of each value, in the chart's order."""
    all_entries = entries(chart)
    agreements: dict[int, Agreement] = {}
    shares: dict[figure_pb2.AxisDimension.ValueType, float] = {}
    scales = {axis.dimension: Scale.of(axis) for axis in chart.axes}
    for dimension in {entry.dimension for entry in all_entries}:
        labelled = [
            (index, entry)
            for index, entry in enumerate(all_entries)
            if entry.dimension == dimension and entry.coordinate == "y" and _label(entry.value) is not None
        ]
        found = _agreements(chart, [entry for _, entry in labelled], scales.get(dimension))
        agreements |= {index: one for (index, _), one in zip(labelled, found, strict=True)}
        checked = [one for one in found if one is not Agreement.UNCHECKED]
        shares[dimension] = checked.count(Agreement.AGREES) / len(checked) if checked else 0.0
    out = []
    for index, entry in enumerate(all_entries):
        scale = scales.get(entry.dimension)
        place = _place(chart, entry, scale)
        stretch = scale.at(place.position) if scale and place else None
        out.append(
            Evidence(
                entry,
                agreements.get(index, Agreement.UNCHECKED),
                scale.worth(place.position) if scale and place else 0.0,
                stretch.fit.residual_px if stretch else 0.0,
                stretch.tick_count if stretch else 0,
                shares[entry.dimension],
            )
        )
    return out


def _label(value: figure_pb2.Value) -> float | None:
    """Return the number printed at a mark: the value itself, or one that reading did not trust."""
    if value.origin == figure_pb2.ORIGIN_PRINTED:
        return value.number if value.HasField("number") else None
    if value.origin == figure_pb2.ORIGIN_INTERPOLATED and value.printed:
        parsed = parse_number(value.printed)
        return parsed.number if parsed else None
    return None


def _agreements(chart: figure_pb2.Chart, labelled: Sequence[Entry], scale: Scale | None) -> list[Agreement]:
    """Return for each labelled value whether its mark says the same, on the axis or on a scale of the labels' own."""
    numbers = [_label(entry.value) or 0.0 for entry in labelled]
    if scale is not None:
        measured = [_nearest(chart, entry, scale, number) for entry, number in zip(labelled, numbers, strict=True)]
        agree = [
            place is not None and _fits(scale.number(place), number, scale.worth(place.position), entry.value)
            for place, number, entry in zip(measured, numbers, labelled, strict=True)
        ]
        if sum(agree) < _MOST * len(agree):
            # Labels may have a unit of their own, such as a share of the total: all are then the same multiple.
            ratios = [
                number / scale.number(place)
                for place, number in zip(measured, numbers, strict=True)
                if place is not None and abs(scale.number(place)) > _NEAR_PX * scale.worth(place.position)
            ]
            ratio = float(np.median(ratios)) if len(ratios) >= _FEWEST else 1.0
            scaled = [
                place is not None
                and _fits(ratio * scale.number(place), number, ratio * scale.worth(place.position), entry.value)
                for place, number, entry in zip(measured, numbers, labelled, strict=True)
            ]
            agree = scaled if sum(scaled) >= max(_FEWEST, _MOST * len(scaled)) else agree
        return [Agreement.AGREES if one else Agreement.DISAGREES for one in agree]
    if chart.type in BARS and len(labelled) >= _FEWEST:
        lengths = np.array([length_px(entry) for entry in labelled])
        sizes = np.abs(np.array(numbers))
        fit = fit_axis(lengths, sizes, tolerance_px=_NEAR_PX)
        if fit is not None and len(fit.inliers) >= max(_FEWEST, _MOST * len(labelled)):
            return [
                Agreement.AGREES
                if index in fit.inliers or _fits(fit.value(length), size, abs(fit.slope), entry.value)
                else Agreement.DISAGREES
                for index, (length, size, entry) in enumerate(zip(lengths, sizes, labelled, strict=True))
            ]
    return [Agreement.UNCHECKED] * len(labelled)


def _fits(measured: float, printed: float, worth: float, value: figure_pb2.Value) -> bool:
    parsed = parse_number(value.printed)
    rounding = 0.5 * 10.0**-parsed.decimals * parsed.multiplier if parsed else 0.0
    return abs(measured - printed) <= max(NEAR * abs(printed), _NEAR_PX * abs(worth), rounding)


def length_px(entry: Entry) -> float:
    """Return how long a value's mark is along its axis, in pixels."""
    box = entry.point.mark_box
    is_x = entry.dimension == figure_pb2.AXIS_DIMENSION_X
    return box.x_max - box.x_min if is_x else box.y_max - box.y_min


def _nearest(chart: figure_pb2.Chart, entry: Entry, scale: Scale, number: float) -> Place | None:
    """Return the place of a value where the figure says it, else that on its mark where the number fits best."""
    if entry.value.HasField("position_px"):
        return _stored(entry.value)
    return min(places_on_mark(chart, entry), key=lambda place: distance_px(scale, place, number), default=None)


def _place(chart: figure_pb2.Chart, entry: Entry, scale: Scale | None) -> Place | None:
    if scale is None or not entry.value.HasField("number"):
        return None
    return _nearest(chart, entry, scale, entry.value.number)


def _stored(value: figure_pb2.Value) -> Place:
    return Place(value.position_px, value.base_px if value.HasField("base_px") else None)
