"""Pointing: which of several figures a question means by its place, its number or its kind: "the left chart"."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loupe.type.v1 import figure_pb2 as pb
from servers.reasoning.grid import Grid

_NOUN = (
    r"(?:(?:bar|line|pie|donut|area|scatter|box|stacked|column)[- ]?)?"
    r"(?:charts?|graphs?|plots?|figures?|panels?|diagrams?|subplots?|pictures?|images?|tables?|histograms?|pies?)"
)
_LEAD = r"(?:\b(?:in|on|of|from|at|per|using|according to|by) )?(?:\bthe )?"
_PLACES = "left|right|top|upper|bottom|lower|middle|central"
_NUMBERS = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "last": -1}
_BARS = (
    *(pb.CHART_TYPE_BAR, pb.CHART_TYPE_HORIZONTAL_BAR, pb.CHART_TYPE_GROUPED_BAR),
    *(pb.CHART_TYPE_HORIZONTAL_GROUPED_BAR, pb.CHART_TYPE_STACKED_BAR, pb.CHART_TYPE_HORIZONTAL_STACKED_BAR),
)
_KINDS: tuple[tuple[str, Callable[[Grid], bool]], ...] = (
    (r"pie(?: chart)?|donut(?: chart)?", lambda grid: grid.kind in (pb.CHART_TYPE_PIE, pb.CHART_TYPE_DONUT)),
    (r"line (?:chart|graph|plot)", lambda grid: grid.kind == pb.CHART_TYPE_LINE),
    (r"(?:stacked |grouped )?(?:bar|column) (?:chart|graph|plot)", lambda grid: grid.kind in _BARS),
    (r"scatter ?(?:plot|chart|graph)?", lambda grid: grid.kind == pb.CHART_TYPE_SCATTER),
    (r"histogram", lambda grid: grid.kind == pb.CHART_TYPE_HISTOGRAM),
    (r"box ?plot", lambda grid: grid.kind == pb.CHART_TYPE_BOX),
    (r"area (?:chart|graph|plot)", lambda grid: grid.kind in (pb.CHART_TYPE_AREA, pb.CHART_TYPE_STACKED_AREA)),
    (r"table", lambda grid: grid.is_table),
)


@dataclass(frozen=True)
class Pointer:
    """A stretch of the question's text, from start to before end, that means one figure."""

    figure_id: str
    start: int
    end: int


def pointers(text: str, grids: Sequence[Grid]) -> list[Pointer]:
    """Return the stretches that point at a figure, in order of place; none overlap."""
    found: list[Pointer] = []
    for pattern, choose in _PATTERNS:
        for match in re.finditer(pattern, text, re.IGNORECASE):
            chosen = choose(match, grids)
            is_free = all(match.end() <= one.start or one.end <= match.start() for one in found)
            if chosen is not None and is_free:
                found.append(Pointer(chosen.figure_id, match.start(), match.end()))
    for kind, is_kind in _KINDS:
        of_kind = [grid for grid in grids if is_kind(grid)]
        if len(of_kind) != 1:
            continue
        for match in re.finditer(rf"{_LEAD}\b(?:{kind})\b", text, re.IGNORECASE):
            if all(match.end() <= one.start or one.end <= match.start() for one in found):
                found.append(Pointer(of_kind[0].figure_id, match.start(), match.end()))
    return sorted(found, key=lambda one: one.start)


def without(text: str, found: Sequence[Pointer]) -> str:
    """Return the text without the stretches that point."""
    for one in reversed(found):
        text = f"{text[: one.start]} {text[one.end :]}"
    return " ".join(text.split())


def _at_place(match: re.Match[str], grids: Sequence[Grid]) -> Grid | None:
    """Return the figure that stands farthest to a side, if it alone does."""
    place = match["place"].lower()
    if place in ("middle", "central"):
        return grids[1] if len(grids) == 3 else None
    axis = 0 if place in ("left", "right") else 1
    middles = [(grid.box[axis] + grid.box[axis + 2]) / 2 for grid in grids]
    sizes = [grid.box[axis + 2] - grid.box[axis] for grid in grids]
    if max(middles) - min(middles) < 0.25 * max(sizes):  # not side by side that way: by order
        return grids[0 if place in ("left", "top", "upper") else -1] if max(sizes) <= 0 else None
    order = sorted(range(len(grids)), key=lambda spot: middles[spot])
    return grids[order[0] if place in ("left", "top", "upper") else order[-1]]


def _at_number(match: re.Match[str], grids: Sequence[Grid]) -> Grid | None:
    said = match["number"].lower()
    number = _NUMBERS.get(said) or int(re.sub(r"\D", "", said) or 0)
    if number == -1:
        return grids[-1]
    return grids[number - 1] if 1 <= number <= len(grids) else None


_PATTERNS: tuple[tuple[str, Callable[[re.Match[str], Sequence[Grid]], Grid | None]], ...] = (
    (rf"\(\s*(?:the )?(?P<place>{_PLACES})(?:[- ]hand)?(?: side)?(?: (?:{_NOUN}|one))?\s*\)", _at_place),
    (rf"{_LEAD}\b(?P<place>{_PLACES})(?:[- ]?(?:hand|most))?(?: side)? (?:{_NOUN}|one)\b", _at_place),
    (rf"{_LEAD}\b{_NOUN} (?:on|at|to|in) the (?P<place>{_PLACES})(?:[- ]hand)?(?: side)?\b", _at_place),
    (r"\bon the (?P<place>left|right)(?:[- ]hand)?(?: side)?\b", _at_place),
    (rf"{_LEAD}\b(?P<number>{'|'.join(_NUMBERS)}) (?:{_NOUN})\b", _at_number),
    (rf"\(\s*(?P<number>{'|'.join(_NUMBERS)})(?: {_NOUN})?\s*\)", _at_number),
    (rf"{_LEAD}\b(?:{_NOUN}) (?:no\.? ?|number |#)?(?P<number>[1-9])\b", _at_number),
)
