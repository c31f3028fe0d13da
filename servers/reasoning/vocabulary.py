"""A vocabulary: which of its words a word of the question is, give or take a slip."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from servers.reasoning.words import is_same


class Vocabulary:
    """Word keys, kept so that one question of many words against thousands of keys stays quick."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = frozenset(keys)
        self._by_end: dict[str, list[str]] = defaultdict(list)
        for key in sorted(self._keys):
            self._by_end[f"{key[:1]}.."].append(key)
            self._by_end[f"..{key[-1:]}"].append(key)
        self._like: dict[str, frozenset[str]] = {}

    def __contains__(self, key: str) -> bool:
        return bool(self.like(key))

    def holds(self, keys: Iterable[str]) -> bool:
        """Return whether one of the keys stands in it as it is."""
        return not self._keys.isdisjoint(keys)

    def years(self) -> list[str]:
        """Return its keys of four digits."""
        return [key for key in self._keys if len(key) == 4 and key.isdecimal()]

    def like(self, key: str) -> frozenset[str]:
        """Return the keys a word may be: itself, else those a slip away that share its first or last letter."""
        if key in self._keys:
            return frozenset({key})
        if key not in self._like:
            near = {*self._by_end.get(f"{key[:1]}..", ()), *self._by_end.get(f"..{key[-1:]}", ())}
            self._like[key] = frozenset(other for other in near if is_same(key, other))
        return self._like[key]
