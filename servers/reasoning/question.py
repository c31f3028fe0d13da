"""A question beside a figure: its words, the items it names, what kind of reply it wants."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from servers.reasoning import lexicon as lex
from servers.reasoning.grid import Grid
from servers.reasoning.mentions import Dimension, Mention, find_mentions
from servers.reasoning.spelling import spelled
from servers.reasoning.times import are_times, in_time_order
from servers.reasoning.words import Word, split

_AGE = re.compile(
    r"^(?:\D{0,12}\s)?(?:under |over )?\d{1,3}\s*(?:[-–]|to|\+|and (?:older|over|above))\s*\d{0,3}", re.IGNORECASE
)
_STEPS = [[unit, joint, unit] for unit in ("year", "quarter", "month") for joint in ("on", "over", "to", "by")]
_CLAUSE = frozenset({"in", "for", "during", "at", "on", "of", "the", "year", "among", "from", "by"})


@dataclass
class Question:
    """What was asked, read against one grid."""

    text: str
    grid: Grid
    words: list[Word] = field(init=False)
    mentions: list[Mention] = field(init=False)
    keys: list[str] = field(init=False)
    """Of the words; empty where the word belongs to a mention."""
    plain: str = field(init=False)
    """The text in lower case and single spaces, slips in words for methods put right."""

    def __post_init__(self) -> None:
        as_written = split(self.text)
        self.words = spelled(as_written, self.grid)
        self.plain = self.text.lower()
        for slip, word in zip(as_written, self.words, strict=True):
            if slip is not word and word.key in lex.METHODS:
                self.plain = self.plain.replace(slip.lower, word.text)
        self.plain = " ".join(self.plain.split())
        self.mentions = find_mentions(self.words, self.grid)
        self.keys = [word.key for word in self.words]
        for mention in self.mentions:
            self.keys[mention.start : mention.end] = [""] * (mention.end - mention.start)

    def has(self, *groups: Iterable[str]) -> bool:
        """Return whether a word outside the mentions is in one of the groups."""
        return self.place(*groups) is not None

    def place(self, *groups: Iterable[str], start: int = 0) -> int | None:
        """Return the place of the first word outside the mentions that is in one of the groups."""
        wanted = frozenset().union(*groups)
        return next((place for place in range(start, len(self.keys)) if self.keys[place] in wanted), None)

    def has_phrase(self, pattern: str) -> bool:
        """Return whether the question, in lower case and single spaces, matches a pattern somewhere."""
        return re.search(pattern, self.plain) is not None

    def named(self, dimension: Dimension, start: int = 0, end: int | None = None) -> list[str]:
        """Return the names of a dimension mentioned in a stretch of words, in order, each once."""
        stop = len(self.words) if end is None else end
        found = [m for m in self.mentions if m.dimension == dimension and start <= m.start and m.end <= stop]
        return list(dict.fromkeys(name for mention in found for name in mention.names))

    @cached_property
    def time_dimension(self) -> Dimension | None:
        """The dimension whose names are times."""
        if are_times(self.grid.categories):
            return "category"
        return "series" if len(self.grid.series) > 1 and are_times(self.grid.series) else None

    @cached_property
    def times(self) -> list[str]:
        """The names of the time dimension, earliest first."""
        if self.time_dimension is None:
            return []
        return in_time_order(self.names_of(self.time_dimension))

    def names_of(self, dimension: Dimension) -> list[str]:
        """Return all names of a dimension."""
        return self.grid.series if dimension == "series" else self.grid.categories

    @cached_property
    def ends(self) -> tuple[str, str] | None:
        """The two times that a change runs between: a range's ends, or the first and the last time named."""
        ranged = next((mention.ends for mention in self.mentions if mention.ends), None)
        if ranged or self.time_dimension is None:
            return ranged
        named = self.named(self.time_dimension)
        return (named[0], named[-1]) if len(named) >= 2 else None

    @cached_property
    def is_boolean(self) -> bool:
        """Whether it wants yes or no."""
        if any(word.key in lex.WHICH | {"what", "how", "whom"} for word in self.words):
            return False
        for place, key in enumerate(self.keys):
            if key in lex.AUXILIARIES:
                return self.words[place + 1 : place + 2] == [] or self.words[place + 1].key not in ("you", "i", "we")
            if key and key not in _CLAUSE and place > 5:
                return False
        return False

    @cached_property
    def wants_label(self) -> bool:
        """Whether it wants an item's name."""
        asking = self.place(lex.WHICH, {"what"})
        if asking is None:
            return self.has_phrase(r"\b(name|list|identify)\b")
        if self.keys[asking] in ("who", "whom", "whose", "where", "when"):
            return True
        nouns = self._nouns_after(asking)
        if self.keys[asking] == "which":
            return not (nouns and nouns[0] in ("value", "percentage", "number"))
        if self.has_phrase(
            r"\bwhat (does|do|is|are|was)\b.{0,60}\b(represent|indicate|stand for|denote|depict|mean\??$)"
        ):
            return True
        if self.has_phrase(r"\bname of\b"):
            return True
        following = self.keys[asking + 1] if asking + 1 < len(self.keys) else ""
        if following in ("the", "a"):  # "what's the": the verb went with its apostrophe
            return self._head_is_item(asking + 1)
        if following not in lex.AUXILIARIES:
            return bool(nouns) and nouns[0] in lex.ITEM_NOUNS | self.category_nouns
        return self._head_is_item(asking + 2)

    def _head_is_item(self, start: int) -> bool:
        """Return whether "what is the least popular game" has an item for its head, not a number."""
        seen_superlative = False
        for place in range(start, min(len(self.keys), start + 7)):
            key = self.keys[place]
            if self.keys[place : place + 3] in _STEPS or self.keys[place - 2 : place + 1] in _STEPS:
                continue  # "year on year" says what a change runs over
            if key in lex.HIGH | lex.LOW:
                seen_superlative = True
            elif seen_superlative and key in lex.QUALITIES:
                return True
            elif key in lex.VALUE_NOUNS or key in lex.DIFFERENCE:
                return False
            elif key in lex.ITEM_NOUNS | self.category_nouns:
                return seen_superlative
            elif key in ("of", "in", "for", "between", "to"):
                return False
        return False

    @cached_property
    def category_nouns(self) -> frozenset[str]:
        """What the figure calls its categories."""
        by = re.findall(r"\b(?:by|per) (\w+)", self.grid.title.lower())
        words = split(" ".join([self.grid.category_title, *by]))
        return frozenset(word.key for word in words) - lex.VALUE_NOUNS - lex.PLAIN - {"entity"}

    def _nouns_after(self, place: int) -> list[str]:
        found = []
        for key in self.keys[place + 1 : place + 6]:
            if key in lex.AUXILIARIES:
                break
            if key and key not in lex.PLAIN and key not in lex.CARDINALS and key not in lex.HIGH | lex.LOW:
                found.append(key)
        return found

    def asked_dimension(self, place: int | None = None) -> Dimension | None:
        """Return the dimension whose items are asked for: that of the noun after "which" or "how many"."""
        if self.grid.is_single:
            return "category"
        asking = self.place(lex.WHICH, {"what"}) if place is None else place
        if asking is None:
            return None
        nouns = self._nouns_after(asking)
        if self.keys[asking] == "when" or (nouns and nouns[0] in lex.TIME_NOUNS):
            return self.time_dimension or "category"
        if lex.AGE_NOUNS & set(nouns[:2]):
            return "series" if are_ages(self.grid.series) else "category"
        if nouns and nouns[0] in self.category_nouns:
            return "category"
        if nouns and nouns[0] in ("line", "color", "colour", "legend", "series"):
            return "series"
        if self.time_dimension:
            return "series" if self.time_dimension == "category" else "category"
        if are_ages(self.grid.categories) and not are_ages(self.grid.series):
            named = self.named("category")
            return "series" if named else "category"
        if len(self.named("category")) == 1 and not self.named("series"):
            return "series"
        return "category"


def are_ages(names: Sequence[str]) -> bool:
    """Return whether names read as age brackets, all but a few."""
    return len(names) > 1 and sum(bool(_AGE.match(name)) for name in names) >= 0.6 * len(names)
