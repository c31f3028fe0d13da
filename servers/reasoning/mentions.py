"""Mentions: which series and categories of a figure a question names, and where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from loupe.type.v1.figure_pb2 import CHART_TYPE_SCATTER
from servers.reasoning.colors import COLOR_NAMES, SHADES, named_series
from servers.reasoning.grid import Grid
from servers.reasoning.lexicon import CARDINALS, FEWER, GRAMMAR_LABELS, KNOWN, MARKS, MORE, TIME_NOUNS, TOTALS
from servers.reasoning.times import are_times, in_time_order, year_of
from servers.reasoning.vocabulary import Vocabulary
from servers.reasoning.words import MONTHS, Word, split

Dimension = Literal["series", "category"]
Owner = Literal["series", "category", "text"]
_JOINTS = frozenset(
    {"and", "to", "of", "the", "in", "or", "for", "a", "an", "at", "by", "on", "%", "*", "+", "year", "old"}
)
_CUES = frozenset(
    {"said", "say", "saying", "choosing", "choose", "chose", "answered", "answer", "responded", "response", "option"}
    | {"category", "for", "with", "of", "is", "wa", "and", "in", "than", "to", "or"}
)
_FIRST = frozenset(
    {"first", "leftmost", "upper", "top", "topmost", "earliest", "oldest", "starting", "initial", "uppermost"}
)
_LAST = frozenset(
    {"last", "rightmost", "bottom", "bottommost", "latest", "final", "recent", "ending", "newest", "lowermost"}
)
_HEIGHTS = frozenset({"top", "topmost", "upper", "uppermost", "bottom", "bottommost", "lowermost"})
"""Of times these are ranks, not places: "the top three years"."""


@dataclass(frozen=True)
class Mention:
    """Words of the question, from start to before end, that name items of one dimension."""

    dimension: Owner
    """"text" for a column of a table that holds no numbers."""
    names: tuple[str, ...]
    start: int
    end: int
    ends: tuple[str, str] | None = None
    """First and last of a range: "from 2010 to 2015"."""


def find_mentions(words: Sequence[Word], grid: Grid) -> list[Mention]:
    """Return the mentions in order of place; none overlap."""
    finder = _Finder(words, grid)
    finder.find_whole(exact=True)
    finder.find_years()
    finder.find_colors()
    finder.find_places()
    finder.find_cells()
    finder.find_whole(exact=False)
    finder.find_crossed()
    finder.find_parts()
    return _with_ranges(words, sorted(finder.found, key=lambda mention: mention.start), grid)


class _Finder:
    """Looks for names from the surest kind to the least; a word found once is not looked at again."""

    def __init__(self, words: Sequence[Word], grid: Grid) -> None:
        self.words = words
        self.grid = grid
        self.free = [True] * len(words)
        self.found: list[Mention] = []
        self.names: list[tuple[Owner, str, list[str]]] = [("text", name, _keys(name)) for name in grid.text_columns]
        if not grid.is_single:
            self.names += [("series", name, _keys(name)) for name in grid.series]
        self.names += [("category", name, _keys(name)) for name in grid.categories]
        self.names += [("series", name, _keys(alias)) for name, aliases in grid.aliases.items() for alias in aliases]
        self.vocabulary = Vocabulary(key for _, _, keys in self.names for key in keys)

    def _take(self, dimension: Owner, names: tuple[str, ...], start: int, end: int) -> None:
        self.found.append(Mention(dimension, names, start, end))
        self.free[start:end] = [False] * (end - start)

    def find_whole(self, exact: bool) -> None:
        """Find names all of whose words stand in the question, in order, the longest first."""
        taken = {(mention.dimension, name) for mention in self.found for name in mention.names}
        places: dict[str, list[int]] = {}
        for place, word in enumerate(self.words):
            for key in self._keys_of(word, exact):
                places.setdefault(key, []).append(place)
        for dimension, name, keys in sorted(self.names, key=lambda entry: -len(entry[2])):
            if exact or (dimension, name) not in taken:
                for start in places.get(keys[0], ()):
                    end = self._match(keys, start, exact)
                    if end and self._is_meant(keys, name, start, end):
                        self._take(dimension, (name,), start, end)

    def _keys_of(self, word: Word, exact: bool) -> frozenset[str]:
        """Return the keys that a word may be; a word of grammar is never a slip for another."""
        return frozenset({word.key}) if exact or word.key in KNOWN else self.vocabulary.like(word.key)

    def _match(self, keys: list[str], start: int, exact: bool) -> int | None:
        place = start
        for index, key in enumerate(keys):
            while (
                index and place < len(self.words) and self.words[place].key in _JOINTS and self.words[place].key != key
            ):
                place += 1
            if place >= len(self.words) or not self.free[place] or key not in self._keys_of(self.words[place], exact):
                return None
            place += 1
        return place

    def _is_meant(self, keys: list[str], name: str, start: int, end: int) -> bool:
        """Return whether a name that is a word of grammar, or a number of the x axis, stands for the item."""
        if self.grid.kind == CHART_TYPE_SCATTER and self.words[start].number is not None:
            cues = [word.key for word in self.words[max(0, start - 2) : start]]
            about = {word.key for word in split(self.grid.category_title)}
            is_bound = bool({*MORE, *FEWER, "than"} & set(cues))
            return not is_bound and bool(cues) and cues[-1] in {"at", "=", "is", "for", "when", "x", *about, "of"}
        if len(keys) > 1 or keys[0] not in GRAMMAR_LABELS | MARKS:
            return True
        word = self.words[start]
        before = self.words[start - 1].key if start else ""
        after = self.words[end].key if end < len(self.words) else ""
        if start and word.text == name.split()[0] and word.is_capital:
            return True
        return (
            before in _CUES
            and (after in ("", "in", "and", "than", "to", "category", "or", "option", "?"))
            and start > 1
        )

    def find_years(self) -> None:
        """Find years that stand for the categories of that year: "2020" for each of its months."""
        for place, word in enumerate(self.words):
            if self.free[place] and word.is_year:
                names = tuple(name for name in self.grid.categories if year_of(name) == int(word.text))
                if names:
                    self._take("category", names, place, place + 1)

    def find_colors(self) -> None:
        """Find colours that stand for a series: "the light blue bar"."""
        for place, word in enumerate(self.words):
            after = self.words[place + 1].key if place + 1 < len(self.words) else ""
            if not self.free[place] or word.key not in COLOR_NAMES or after in COLOR_NAMES:
                continue
            start = place - 1 if place and self.words[place - 1].key in SHADES and self.free[place - 1] else place
            shade = self.words[start].key if start < place else None
            color = shade if shade in COLOR_NAMES else word.key  # "navy blue" is navy
            found = self._of_color(color or word.key, shade)
            if found:
                end = place + 1
                while end < len(self.words) and self.words[end].key in MARKS | {"color", "colour"}:
                    end += 1
                self._take(*found, start, end)

    def _of_color(self, color: str, shade: str | None) -> tuple[Owner, tuple[str, ...]] | None:
        """Return the series of a colour; in a figure of one series, the item whose mark has it."""
        if not self.grid.is_single:
            series = named_series(color, shade, self.grid.colors)
            return ("series", (series,)) if series else None
        marks = {category: rgb for (_, category), rgb in self.grid.mark_colors.items()}
        category = named_series(color, shade, marks) if len(set(marks.values())) > 1 else None
        return ("category", (category,)) if category else None

    def find_places(self) -> None:
        """Find items meant by where they stand: "the rightmost bar", "the last year"."""
        categories = self.grid.categories
        if not categories:
            return
        timed = in_time_order(categories) if are_times(categories) else categories
        for place, word in enumerate(self.words[:-2]):
            count = CARDINALS.get(self.words[place + 1].key, int(self.words[place + 1].number or 0))
            noun = self.words[place + 2].key
            ordered = timed if noun in TIME_NOUNS else categories
            if noun in TIME_NOUNS and word.key in _HEIGHTS:
                continue
            if noun in TIME_NOUNS | MARKS and 1 < count < len(ordered) and all(self.free[place : place + 2]):
                if word.key in _FIRST:
                    self._take("category", tuple(ordered[:count]), place, place + 3)
                elif word.key in _LAST | {"past"}:
                    self._take("category", tuple(ordered[-count:]), place, place + 3)
        for place, word in enumerate(self.words[:-1]):
            after = self.words[place + 1].key
            is_time = after in TIME_NOUNS - {"time"} and word.key not in _HEIGHTS
            if not self.free[place] or not (after in ("bar", "column", "row", "point", "segment", "group") or is_time):
                continue
            ordered = timed if is_time and are_times(categories) else categories
            if word.key in _FIRST:
                self._take("category", (ordered[0],), place, place + 2)
            elif word.key in _LAST:
                self._take("category", (ordered[-1],), place, place + 2)
                if word.key == "rightmost" and not self.grid.is_single:
                    self.found.append(Mention("series", (self.grid.series[-1],), place, place + 2))

    def find_cells(self) -> None:
        """Find what a cell of text prints, which stands for its row: "the country whose capital is Lima"."""
        rows_of: dict[tuple[str, ...], list[str]] = {}
        for (_, row), text in self.grid.texts_at.items():
            rows_of.setdefault(tuple(_keys(text)), []).append(row)
        for keys in sorted(rows_of, key=len, reverse=True):
            for start in range(len(self.words) - len(keys) + 1):
                end = self._match(list(keys), start, exact=True)
                if end and not (len(keys) == 1 and keys[0] in KNOWN and not self.words[start].is_capital):
                    self._take("category", tuple(dict.fromkeys(rows_of[keys])), start, end)

    def find_crossed(self) -> None:
        """Find a column under several header rows whose words stand apart: "men ... in 2019" for "2019 Men"."""
        if not self.grid.is_table or self.grid.is_single:
            return
        free = {word.key: place for place, word in enumerate(self.words) if self.free[place]}
        keys_of = {name: keys for kind, name, keys in self.names if kind == "series" and len(keys) > 1}
        whole = [name for name, keys in keys_of.items() if all(key in free for key in keys)]
        fullest = max((len(keys_of[name]) for name in whole), default=0)
        best = [name for name in whole if len(keys_of[name]) == fullest]
        if len(best) == 1:
            for key in keys_of[best[0]]:
                self._take("series", (best[0],), free[key], free[key] + 1)

    def find_parts(self) -> None:
        """Find names that one of their words tells from all others: "petrol" for "Medium car (petrol)"."""
        dimensions: tuple[Owner, ...] = ("series", "category")
        for dimension in dimensions:
            taken = {name for mention in self.found if mention.dimension == dimension for name in mention.names}
            keys_of = {name: keys for kind, name, keys in self.names if kind == dimension}
            for place, name in list(self._parts(keys_of)):
                if name not in taken and not TOTALS & set(keys_of[name]) and self.free[place]:
                    self._take(dimension, (name,), place, place + 1)

    def _parts(self, keys_of: dict[str, list[str]]) -> Iterator[tuple[int, str]]:
        owners_of: dict[str, list[str]] = {}
        for name, keys in keys_of.items():
            for key in set(keys):
                owners_of.setdefault(key, []).append(name)
        years = {int(word.text) for word in self.words if word.is_year}
        about = {word.key for text in self.grid.texts for word in split(text)}
        present = frozenset().union(*(self.vocabulary.like(word.key) for word in self.words))
        for place, word in enumerate(self.words):
            is_month = word.key in MONTHS and (word.key != "may" or word.is_capital)
            if not self.free[place] or (word.key in KNOWN and not is_month) or len(word.key) < 3 or word.is_year:
                continue
            owners = list(
                dict.fromkeys(one for key in self.vocabulary.like(word.key) for one in owners_of.get(key, ()))
            )
            if is_month and len(owners) > 1:
                owners = [name for name in owners if year_of(name) in years]
            if len(owners) == 1 and (word.key not in about or word.is_capital):
                keys = keys_of[owners[0]]
                if word.is_capital or len([key for key in keys if key in present]) >= 0.3 * len(keys):
                    yield place, owners[0]


def _keys(name: str) -> list[str]:
    words = split(name)
    keys = [word.key for word in words if word.key not in _JOINTS and word.key not in "<>=≥≤%$€£+*"]
    return keys or [word.key for word in words] or [name.lower()]


def _with_ranges(words: Sequence[Word], mentions: list[Mention], grid: Grid) -> list[Mention]:
    """Return the mentions, two ends of a range of times as one: "from 2010 to 2015", "since 2010", "2010-2015"."""
    ordered: dict[Owner, list[str]] = {
        "series": in_time_order(grid.series) if are_times(grid.series) else [],
        "category": in_time_order(grid.categories) if are_times(grid.categories) else [],
        "text": [],
    }
    ranged: list[Mention] = []
    for mention in mentions:
        timed = ordered[mention.dimension]
        before = ranged[-1] if ranged else None
        if timed and before and before.ends is None and before.dimension == mention.dimension:
            opening = words[before.start - 1].key if before.start else ""
            joint = [word.key for word in words[before.end : mention.start] if word.key not in ("the", "year", "in")]
            closes = joint in (["to"], ["until"], ["till"], ["through"], ["up", "to"])
            if closes or (joint in (["and"], []) and opening == "between"):
                first, last = sorted((timed.index(before.names[0]), timed.index(mention.names[-1])))
                start = before.start - 1 if opening in ("from", "between") else before.start
                ends = (before.names[0], mention.names[-1])
                ranged[-1] = Mention(mention.dimension, tuple(timed[first : last + 1]), start, mention.end, ends)
                continue
        ranged.append(_open_range(words, mention, timed) if timed else mention)
    return ranged


def _open_range(words: Sequence[Word], mention: Mention, timed: list[str]) -> Mention:
    opening = words[mention.start - 1].key if mention.start else ""
    first, last = timed.index(mention.names[0]), timed.index(mention.names[-1])
    names = {
        "since": timed[first:],
        "after": timed[last + 1 :],
        "before": timed[:first],
        "until": timed[: last + 1],
    }.get(opening)
    return Mention(mention.dimension, tuple(names), mention.start - 1, mention.end) if names else mention
