"""Ties marks to what they show: by number, then by the names beside them, then by what they were drawn with."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from loupe.orchestrator.v1.control_pb2 import ExplanationTie
from servers.orchestrator.explain.cells import Tie
from servers.orchestrator.explain.items import Item, Items, is_same
from servers.orchestrator.explain.marks import DrawnSeries, Mark, Reading

ANSWER = "answer"
"""The group of the answer's numbers."""


class Tying:
    """Finds what marks show among values, cells and numbers of the answer."""

    def __init__(self, items: Iterable[Item]) -> None:
        given = list(items)
        self._items = Items(given)
        self._by_group: dict[str, list[Item]] = defaultdict(list)
        for item in given:
            self._by_group[item.group].append(item)
        self._order = {group: place for place, group in enumerate(self._by_group)}
        self._shown: Counter[tuple[str, str]] = Counter()

    def of(self, drawn: DrawnSeries) -> list[Tie | None]:
        """Return what each mark of a drawn series shows; None for what is nothing of all that is known."""
        if drawn.is_share:
            return self._shares(drawn)
        fitting = [self._fitting(mark, drawn.name) for mark in drawn.marks]
        group = self._group(drawn, fitting)
        ties: list[Tie | None] = []
        taken: set[str] = set()
        for place, (names, found) in enumerate(fitting):
            tie = _chosen(found, names, drawn.name, group, place, taken) if found else None
            if tie:
                taken.add(tie.item.node_id)
            ties.append(tie)
        return ties

    def _fitting(self, mark: Mark, series: str) -> tuple[frozenset[str], list[Item]]:
        """Return what has a mark's number and no other name than the mark, under the first reading that fits."""
        for reading in mark.readings:
            equal = self._items.equal(reading.number, reading.reach)
            found = [item for item in equal if self._may_be(reading, series, item)]
            if found:
                # What was read and what is in the data comes before a number of the answer that happens to be equal.
                return reading.names, [item for item in found if item.group != ANSWER] or found
        return frozenset(), []

    def _may_be(self, reading: Reading, series: str, item: Item) -> bool:
        is_other = item.category and not _is_named(item.category, reading.names)
        if is_other and reading.has_words and any(_is_any(name, self._items.categories) for name in reading.names):
            return False
        return not (item.series and series in self._items.series and not is_same(series, item.series))

    def _group(self, drawn: DrawnSeries, fitting: Sequence[tuple[frozenset[str], list[Item]]]) -> str:
        """Return the series that most marks of a drawn one can show; of equals, one that was not drawn so far."""
        votes: Counter[str] = Counter()
        for names, found in fitting:
            for group in {item.group for item in found}:
                votes[group] += 2
            for group in {item.group for item in found if _is_named(item.category, names)}:
                votes[group] += 1
        if not votes:
            return ""
        best = max(votes, key=lambda group: (votes[group], -self._shown[drawn.word, group], -self._order[group]))
        self._shown[drawn.word, best] += 1
        return best

    def _shares(self, drawn: DrawnSeries) -> list[Tie | None]:
        """Return what slices show: the numbers of one series whose shares of their total are the slices'."""
        labels = [next(iter(mark.readings[0].names), "") for mark in drawn.marks]
        for items in self._by_group.values():
            named = [[item for item in items if label and is_same(label, item.category)] for label in labels]
            if all(len(one) == 1 for one in named):
                chosen = [one[0] for one in named]
                ties = (ExplanationTie.EXPLANATION_TIE_SHARE, ExplanationTie.EXPLANATION_TIE_CATEGORY)
            else:
                chosen = sorted((item for item in items if item.number > 0), key=lambda item: item.place)
                ties = (ExplanationTie.EXPLANATION_TIE_SHARE, ExplanationTie.EXPLANATION_TIE_ORDER)
            whole = sum(max(0.0, item.number) for item in chosen)
            shares = [mark.readings[0].number for mark in drawn.marks]
            if len(chosen) != len(shares) or not whole:
                continue
            if all(abs(item.number / whole - share) <= 1e-5 for item, share in zip(chosen, shares, strict=True)):
                return [Tie(item, ties) for item in chosen]
        return [None] * len(drawn.marks)


def _chosen(found: list[Item], names: frozenset[str], series: str, group: str, place: int, taken: set[str]) -> Tie:
    """Return the likeliest of what fits, and what it took to tell it from the others."""

    def named(item: Item) -> tuple[bool, bool]:
        return not _is_named(item.category, names), not (series and is_same(series, item.series))

    best = min(map(named, found))
    ties = [ExplanationTie.EXPLANATION_TIE_NUMBER]
    if not best[0]:
        ties.append(ExplanationTie.EXPLANATION_TIE_CATEGORY)
    if not best[1]:
        ties.append(ExplanationTie.EXPLANATION_TIE_SERIES)
    left = [item for item in found if named(item) == best]
    if len(left) > 1 and (neighbours := [item for item in left if item.group == group]) and len(neighbours) < len(left):
        left = neighbours
        ties.append(ExplanationTie.EXPLANATION_TIE_NEIGHBOURS)
    if len(left) > 1:
        left.sort(key=lambda item: (item.node_id in taken, abs(item.place - place), item.place, item.group))
        ties.append(ExplanationTie.EXPLANATION_TIE_ORDER)
    return Tie(left[0], tuple(ties))


def _is_named(category: str, names: frozenset[str]) -> bool:
    return bool(category) and (category in names or any(is_same(name, category) for name in names))


def _is_any(name: str, known: set[str]) -> bool:
    return name in known or (name.endswith("…") and any(is_same(name, one) for one in known))
