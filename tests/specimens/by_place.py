"""Values that a place names: scattered points, curves over dates, the bins of a histogram."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from loupe.type.v1 import figure_pb2
from tests.specimens import clock
from tests.specimens.items import ReadItem
from tests.specimens.outcome import ValueScore, is_right, relative_error
from tests.specimens.similarity import assign, harmonic, key_distance, tidy, value_distance
from tests.specimens.truth import Axis, TrueFigure

SAME_POINT = 0.03
"""A read point is a true one where they are nearer than this share of the axes' spans."""
SLACK = 0.006
"""Of the x axis: where a curve is steep, a pixel sideways is a lot upwards."""
WIDEST_GAP = 0.3
"""Of the x axis: over longer gaps between read points nothing counts as read."""
_RANGE = re.compile(r"^\s*([-−]?[\d.,]+)\s*(?:-|–|to)\s*([-−]?[\d.,]+)\s*$")

Points = Sequence[tuple[float, float]]


def match(true: TrueFigure, read: Sequence[ReadItem]) -> tuple[float, tuple[ValueScore, ...]]:
    """Return F1 by place and the score of each value."""
    if true.bins:
        return _bins(true, read)
    if true.kind == figure_pb2.CHART_TYPE_SCATTER:
        return _scattered(true, read)
    return _curves(true, read)


def _scattered(true: TrueFigure, read: Sequence[ReadItem]) -> tuple[float, tuple[ValueScore, ...]]:
    wanted = [(series, x, y) for series, pairs in true.points.items() for x, y in pairs]
    found = [item for item in read if item.x is not None and item.number is not None]
    lone = len(true.points) == 1 and len({item.series for item in found}) <= 1
    costs = []
    for series, x, y in wanted:
        row = []
        for item in found:
            assert item.x is not None and item.number is not None
            away = math.hypot(_share_apart(true.x, item.x, x), _share_apart(true.y, item.number, y))
            name = 0.0 if lone else key_distance(tidy(series), tidy(item.series))
            row.append(away / SAME_POINT if name < 1 else 1.0)
        costs.append(row)
    pairs = dict(assign(costs))
    scores = []
    for index, (series, x, y) in enumerate(wanted):
        if index not in pairs:
            scores.append(ValueScore.missing(series, f"{x:.6g}", y))
            continue
        item = found[pairs[index]]
        assert item.x is not None and item.number is not None
        right = is_right(item.x, x, _span(true.x)) and is_right(item.number, y, _span(true.y))
        error = max(relative_error(item.x, x), relative_error(item.number, y))
        scores.append(ValueScore.of(series, f"{x:.6g}", y, item, error, right))
    worth = sum(1 - costs[i][j] * SAME_POINT for i, j in pairs.items())
    taken = {id(found[j]) for j in pairs.values()}
    scores += [ValueScore.invention(item) for item in read if id(item) not in taken]
    f1 = harmonic(worth / len(read), worth / len(wanted)) if read else 0.0
    return f1, tuple(scores)


def _curves(true: TrueFigure, read: Sequence[ReadItem]) -> tuple[float, tuple[ValueScore, ...]]:
    """Hold true points against the read curve, and read points against the true curve: both must lie on the other."""
    width = true.x.high - true.x.low
    placed = _placed(read, true.x)
    names = {item.series for item in read}
    partner = _series_pairs(list(true.points), sorted(names))
    scores: list[ValueScore] = []
    recalled = 0.0
    for series, pairs in true.points.items():
        axis = true.axis_of(series)
        mine = sorted(
            ((x, item) for x, item in placed if item.series == partner.get(series, None)), key=lambda at: at[0]
        )
        for x, y in pairs:
            at = _on_read_curve(mine, x, width, axis)
            if at is None:
                scores.append(ValueScore.missing(series, f"{x:.10g}", y))
                continue
            number, item = at
            # A read curve is right where the true one passes it within the slack.
            nearest = _nearest_on(pairs, x, number, SLACK * width, axis)
            right = is_right(number, nearest, _span(axis))
            recalled += 1 - value_distance(number, nearest)
            told = replace(item, number=number, text="", x=x, x_end=None)
            scores.append(ValueScore.of(series, f"{x:.10g}", y, told, relative_error(number, nearest), right))
    precise, wrong = 0.0, []
    owner = {read_name: name for name, read_name in partner.items()}
    for x, item in placed:
        assert item.number is not None
        series_true = owner.get(item.series)
        pairs = true.points[series_true] if series_true is not None else ()
        if not pairs or not pairs[0][0] - 0.01 * width <= x <= pairs[-1][0] + 0.01 * width:
            wrong.append(item)
            continue
        axis = true.axis_of(series_true or "")
        nearest = _nearest_on(pairs, x, item.number, SLACK * width, axis)
        precise += 1 - value_distance(item.number, nearest)
        if not is_right(item.number, nearest, _span(axis)) and value_distance(item.number, nearest) == 1:
            wrong.append(item)
    in_place = {id(item) for _, item in placed}
    wrong += [item for item in read if id(item) not in in_place]
    scores += [ValueScore.invention(item) for item in wrong]
    total = sum(len(pairs) for pairs in true.points.values())
    return (harmonic(precise / len(read), recalled / total) if read else 0.0), tuple(scores)


def _bins(true: TrueFigure, read: Sequence[ReadItem]) -> tuple[float, tuple[ValueScore, ...]]:
    costs = []
    for true_bin in true.bins:
        wide = true_bin.upper - true_bin.lower
        row = []
        for item in read:
            edges = _edges(item)
            away = 9.0 if edges is None else max(abs(edges[0] - true_bin.lower), abs(edges[1] - true_bin.upper)) / wide
            row.append(2 * away)
        costs.append(row)
    pairs = dict(assign(costs))
    scores, worth = [], 0.0
    for index, true_bin in enumerate(true.bins):
        label = f"{true_bin.lower:.6g} to {true_bin.upper:.6g}"
        if index not in pairs:
            scores.append(ValueScore.missing("", label, true_bin.count))
            continue
        item = read[pairs[index]]
        assert item.number is not None
        right = is_right(item.number, true_bin.count, _span(true.y))
        worth += 1 - value_distance(item.number, true_bin.count)
        scores.append(
            ValueScore.of("", label, true_bin.count, item, relative_error(item.number, true_bin.count), right)
        )
    taken = set(pairs.values())
    scores += [ValueScore.invention(item) for index, item in enumerate(read) if index not in taken]
    return (harmonic(worth / len(read), worth / len(true.bins)) if read else 0.0), tuple(scores)


def _edges(item: ReadItem) -> tuple[float, float] | None:
    if item.x is not None and item.x_end is not None:
        return item.x, item.x_end
    found = _RANGE.match(item.label)
    if not found:
        return None
    try:
        lower, upper = (float(part.replace(",", "").replace("−", "-")) for part in found.groups())
    except ValueError:
        return None
    return lower, upper


def _series_pairs(true: list[str], read: list[str]) -> dict[str, str]:
    if len(true) == 1 and len(read) == 1:
        return {true[0]: read[0]}
    costs = [[key_distance(tidy(one), tidy(other)) for other in read] for one in true]
    return {true[i]: read[j] for i, j in assign(costs)}


def _placed(read: Sequence[ReadItem], axis: Axis) -> list[tuple[float, ReadItem]]:
    """Return the read points with their place on the true axis, those that have one."""
    placed = [(x, item) for item in read if (x := _x_of(item, axis)) is not None and item.number is not None]
    if axis.is_year_printed:
        return placed
    moved = clock.in_its_year([x for x, _ in placed], axis)
    return [(x, item) for x, (_, item) in zip(moved, placed, strict=True)]


def _x_of(item: ReadItem, axis: Axis) -> float | None:
    """Return where a read point stands: its x, or the place of the tick label it names, or the label's number."""
    if item.x is not None:
        return clock.on_axis(item.x, axis)
    for label, x in axis.ticks.items():
        if tidy(label) == tidy(item.label):
            return x
    try:
        return clock.on_axis(float(item.label), axis)
    except ValueError:
        return None


def _on_read_curve(
    curve: Sequence[tuple[float, ReadItem]], x: float, width: float, axis: Axis
) -> tuple[float, ReadItem] | None:
    """Return the read curve's value at x and the read point that vouches for it."""
    if not curve:
        return None
    nearest = min(curve, key=lambda at: abs(at[0] - x))
    if abs(nearest[0] - x) <= SLACK * width:
        assert nearest[1].number is not None
        return nearest[1].number, nearest[1]
    after = bisect_left([at for at, _ in curve], x)
    if after in (0, len(curve)):
        return None
    (x0, left), (x1, right) = curve[after - 1], curve[after]
    if x1 - x0 > WIDEST_GAP * width:
        return None
    assert left.number is not None and right.number is not None
    return _between(x, x0, left.number, x1, right.number, axis), nearest[1]


def _nearest_on(pairs: Points, x: float, number: float, slack: float, axis: Axis) -> float:
    """Return the value of the true curve within the slack about x that is nearest to a number."""
    values = [_at(pairs, at, axis) for at in (x - slack, x, x + slack)]
    values += [y for at, y in pairs if abs(at - x) <= slack]
    low, high = min(values), max(values)
    return min(max(number, low), high)


def _at(pairs: Points, x: float, axis: Axis) -> float:
    if x <= pairs[0][0]:
        return pairs[0][1]
    if x >= pairs[-1][0]:
        return pairs[-1][1]
    after = bisect_left([at for at, _ in pairs], x)
    (x0, y0), (x1, y1) = pairs[after - 1], pairs[after]
    return _between(x, x0, y0, x1, y1, axis)


def _between(x: float, x0: float, y0: float, x1: float, y1: float, axis: Axis) -> float:
    share = (x - x0) / (x1 - x0) if x1 > x0 else 0.0
    if axis.scale == "log" and y0 > 0 and y1 > 0:
        return float(y0 * (y1 / y0) ** share)
    return y0 + (y1 - y0) * share


def _share_apart(axis: Axis, one: float, other: float) -> float:
    if axis.scale == "log":
        if one <= 0 or other <= 0:
            return 1.0
        return abs(math.log10(one / other)) / math.log10(axis.high / axis.low)
    return abs(one - other) / (axis.high - axis.low)


def _span(axis: Axis) -> float:
    return axis.high - axis.low if axis.scale != "log" else 0.0
