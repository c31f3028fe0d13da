"""Spelling: words of grammar with a slip in them, put right; words of the figure are left as they are."""

from __future__ import annotations

from collections.abc import Sequence

from servers.reasoning import lexicon as lex
from servers.reasoning.colors import COLOR_NAMES
from servers.reasoning.grid import Grid
from servers.reasoning.vocabulary import Vocabulary
from servers.reasoning.words import Word, edit_distance, split

_SHORTEST = 5
_SHORTEST_METHOD = 8
"""Short words for methods have too many neighbours: "gross" is no slip for "cross"."""


def spelled(words: Sequence[Word], grid: Grid) -> list[Word]:
    """Return the words, each unknown one replaced by the only known word that is one slip away from it."""
    texts = (*grid.texts, *grid.series, *grid.categories, *grid.text_columns)
    known = Vocabulary(word.key for text in texts for word in split(text))
    grammar = Vocabulary(
        key for key in lex.KNOWN if len(key) >= (_SHORTEST_METHOD if key in lex.METHODS else _SHORTEST)
    )
    return [word if _is_fine(word, known) else _corrected(word, grammar) for word in words]


def _is_fine(word: Word, known: Vocabulary) -> bool:
    is_short = len(word.key) < _SHORTEST or word.number is not None
    return is_short or word.key in lex.KNOWN | COLOR_NAMES or word.key in known


def _corrected(word: Word, grammar: Vocabulary) -> Word:
    near = [key for key in grammar.like(word.key) if edit_distance(word.key, key, 1) <= 1]
    # Of five letters too many words differ in one: "mayor" is no slip for "major".
    near = [key for key in near if len(key) > _SHORTEST or len(key) != len(word.key) or set(key) == set(word.key)]
    return Word(near[0], near[0]) if len(near) == 1 else word
