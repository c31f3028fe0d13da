"""Questions that take two figures: "the ratio of exports (left) to GDP (right) in 2019"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Analysis, Operand, Operation, OperationKind, Pairing, Relation
from servers.reasoning import lexicon as lex
from servers.reasoning.grid import Grid
from servers.reasoning.numbers import find_filters
from servers.reasoning.parts import Part, find_superlatives, only, operand_of, read_part, selection_of
from servers.reasoning.phrases import any_of
from servers.reasoning.pointing import pointers
from servers.reasoning.question import Question
from servers.reasoning.rules.relations import set_form
from servers.reasoning.words import Word, split

_TOGETHER = r"\b(correlat\w*|relationship between|related|associated|association)\b"
_RATIO = any_of(
    r"ratio",
    r"divided by",
    r"times (as|the|larger|greater|higher|more|bigger)",
    r"relative to",
    r"per",
    r"quotient",
    r"divide",
)
_SHARE = r"\b(share|percent\w*|proportion|fraction|part) of\b|\bas an? (share|percent\w*|proportion|fraction) of\b|%"
_APART = any_of(
    r"(difference|gap|differ|minus|less than|more than|exceeds?|compared? (to|with)|apart)",
    r"how (much|many)\b.*\bthan",
)
_JOINTS = frozenset(
    {"to", "and", "by", "than", "then", "with", "from", "minus", "vs", "versu", "versus", "v", "against", "over", "per"}
)
_WEAK_JOINTS = frozenset(
    {"of", "exceed", "relative", "is", "are", "wa", "was", "were", "did", "doe", "in", "or", "as", "when", "where"}
)
"""Part the two sides where no other joint does it as well."""
_PART_LAST = (
    r"\b(share|percent\w*|proportion|fraction|part) of\b.*\b(is|are|was|were|did|does|do|comes?|came|goes|went)\b"
    r"(?!.*\b(share|percent\w*|proportion|fraction) of\b)"
)
"""The whole stands first: "what percentage of GDP were exports"."""
_WHERE = any_of(
    r"(?<=\w )(when|where|while)",
    r"in the (year|month|quarter|country|category) (with|of|when|where|that|in which)",
    r"at the time",
)
_POINTED = 4
"""What a word like "left" counts for, in words that only one figure has."""


@dataclass
class _Side:
    """How well each figure suits a stretch of the question."""

    scores: list[int] = field(default_factory=list)

    def best(self, besides: int | None = None) -> int | None:
        """Return the one figure that suits best, if one does."""
        ranked = sorted(range(len(self.scores)), key=lambda place: -self.scores[place])
        ranked = [place for place in ranked if place != besides and self.scores[place] > 0]
        if not ranked or (len(ranked) > 1 and self.scores[ranked[0]] == self.scores[ranked[1]]):
            return None
        return ranked[0]


def understand_joined(text: str, grids: Sequence[Grid]) -> Analysis | None:
    """Return the analysis of a question that takes two of the figures; None for any other question."""
    found = pointers(text, grids)
    blank = list(text)
    for one in found:  # The words go, their places stay: what is pointed at is known by the place.
        blank[one.start : one.end] = " " * (one.end - one.start)
    bare = "".join(blank)
    questions = [Question(bare, grid) for grid in grids]
    kind = _kind(questions[0], text)
    if kind is None:
        return None
    places = _word_places(bare, questions[0].words)
    pointed = [(one.figure_id, sum(place < one.start for place in places)) for one in found]
    cut = _cut(questions, pointed)
    if cut is None:
        return None
    first, second, place = cut
    return _joined(kind, questions[first], questions[second], place, text)


def _kind(question: Question, text: str) -> OperationKind.ValueType | None:
    lower = " ".join(text.lower().split())
    asked = Question(lower, question.grid)
    for pattern, kind in (
        (_TOGETHER, plan.OPERATION_KIND_CORRELATION),
        (_RATIO, plan.OPERATION_KIND_RATIO),
        (_SHARE, plan.OPERATION_KIND_SHARE),
    ):
        if asked.has_phrase(pattern):
            return kind
    if question.is_boolean and asked.has(lex.MORE, lex.FEWER, lex.EQUAL):
        return plan.OPERATION_KIND_COMPARE
    if question.has_phrase(_WHERE) and asked.has(lex.HIGH, lex.LOW):
        return plan.OPERATION_KIND_LOOKUP
    if asked.has({"compare", "comparison"}) or (asked.has(lex.MORE, lex.FEWER) and asked.has({"or"})):
        return plan.OPERATION_KIND_COMPARE
    if asked.has_phrase(_APART):
        return plan.OPERATION_KIND_DIFFERENCE
    return plan.OPERATION_KIND_TOTAL if asked.has(lex.SUM) else None


def _word_places(text: str, words: Sequence[Word]) -> list[int]:
    """Return where in the text each word starts; a word that was put right stands where the one before it ends."""
    places, start = [], 0
    for word in words:
        at = text.find(word.text, start)
        places.append(at if at >= 0 else start)
        start = places[-1] + (len(word.text) if at >= 0 else 1)
    return places


def _cut(questions: Sequence[Question], pointed: Sequence[tuple[str, int]]) -> tuple[int, int, int] | None:
    """Return the two figures and the place of the joint between their sides."""
    words = questions[0].words
    best: tuple[int, int, int, int] | None = None
    for place in range(1, len(words)):
        if words[place].key not in _JOINTS | _WEAK_JOINTS:
            continue
        left = _Side(_scores(questions, pointed, 0, place))
        right = _Side(_scores(questions, pointed, place, len(words)))
        first = left.best()
        second = right.best(besides=first)
        if first is None or second is None or left.scores[first] <= left.scores[second]:
            continue
        if right.scores[second] <= right.scores[first]:
            continue
        score = left.scores[first] - left.scores[second] + right.scores[second] - right.scores[first]
        score = 2 * score + (words[place].key in _JOINTS)
        if best is None or score > best[0]:
            best = score, first, second, place
    return best[1:] if best else None


def _scores(questions: Sequence[Question], pointed: Sequence[tuple[str, int]], start: int, stop: int) -> list[int]:
    """Return how many words of a stretch each figure accounts for: its names, and what it says of itself."""
    scores = []
    for question in questions:
        grid = question.grid
        about = {word.key for text in (*grid.texts, *grid.series) for word in split(text)} - lex.PLAIN
        score = sum(word.key in about for word in question.words[start:stop])
        score += sum(
            mention.end - mention.start
            for mention in question.mentions
            if start <= mention.start and mention.end <= stop and mention.dimension == "series"
        )
        is_last = stop == len(question.words)
        for figure_id, place in pointed:
            if figure_id == grid.figure_id and (
                start < place <= stop or (start == 0 == place) or (is_last and place > stop)
            ):
                score += _POINTED
        scores.append(score)
    return scores


def _joined(kind: OperationKind.ValueType, first: Question, second: Question, place: int, text: str) -> Analysis | None:
    left = _part(first, 0, place)
    right = _part(second, place, len(second.words))
    if kind == plan.OPERATION_KIND_LOOKUP:
        return _at_extreme(first, second, place, text)
    if kind == plan.OPERATION_KIND_SHARE and first.has_phrase(_PART_LAST):
        first, second, left, right = second, first, right, left
    assumptions = _sizes(first.grid, second.grid)
    operation = Operation(kind=kind)
    is_one_each = all(
        part.aggregates or part.superlatives or len(part.categories) == 1 or len(question.grid.categories) == 1
        for question, part in ((first, left), (second, right))
    )
    if kind == plan.OPERATION_KIND_CORRELATION:
        operation.operands.extend(Operand(selection=_all(question)) for question in (first, second))
        operation.relation.CopyFrom(Relation(statistic=plan.RELATION_STATISTIC_PEARSON))
        set_form(operation, first)
    elif is_one_each:
        operation.operands.extend((operand_of(first, left), operand_of(second, right)))
        if kind == plan.OPERATION_KIND_COMPARE:
            operation.form = plan.ANSWER_FORM_BOOLEAN if first.is_boolean else plan.ANSWER_FORM_LABEL
            downward = first.has(lex.FEWER, lex.LOW) and not first.has(lex.MORE)
            operation.comparison = plan.COMPARISON_LESS if downward else plan.COMPARISON_GREATER
            if first.has(lex.EQUAL) and first.is_boolean:
                operation.comparison = plan.COMPARISON_EQUAL
    elif kind in (plan.OPERATION_KIND_RATIO, plan.OPERATION_KIND_SHARE, plan.OPERATION_KIND_DIFFERENCE):
        operation.operands.extend(Operand(selection=_all(question)) for question in (first, second))
        operation.pairing.CopyFrom(_pairing(first))
        if first.has_phrase(r"^(what|how)\b") and not first.wants_label and operation.pairing.order:
            operation.form = plan.ANSWER_FORM_NUMBER
    else:
        return None
    return Analysis(question=text, operations=[operation], assumptions=assumptions)


def _at_extreme(first: Question, second: Question, place: int, text: str) -> Analysis | None:
    """Return one figure's value where the other is greatest or least: "exports in the year with the lowest GDP"."""
    left, _ = find_superlatives(first, 0, place)
    right, _ = find_superlatives(second, place, len(second.words))
    if bool(left) == bool(right):
        return None
    asked, decider, ranked = (first, second, right[0]) if right else (second, first, left[0])
    grid = decider.grid
    numbers = {category: grid.numbers[spot] for spot in grid.numbers for category in spot[1:]}
    order = sorted(numbers, key=lambda category: numbers[category], reverse=ranked.order == plan.ORDER_DESCENDING)
    if not grid.is_single or len(order) < ranked.first or order[ranked.first - 1] not in asked.grid.categories:
        return None
    extreme = _all(decider)
    extreme.order, extreme.first, extreme.count = ranked.order, ranked.first, 1
    found = Operation(
        kind=plan.OPERATION_KIND_TOP_K, operands=[Operand(selection=extreme)], form=plan.ANSWER_FORM_LABEL
    )
    there = selection_of(asked, Part(series=asked.named("series"), categories=[order[ranked.first - 1]]))
    value = Operation(
        kind=plan.OPERATION_KIND_LOOKUP, operands=[Operand(selection=there)], form=plan.ANSWER_FORM_NUMBER
    )
    return Analysis(question=text, operations=[found, value])


def _part(question: Question, start: int, stop: int) -> Part:
    """Return what a side says; what it leaves open is what the question says elsewhere: "... in 2019"."""
    part = read_part(question, start, stop)
    if not part.categories:
        part.categories = question.named("category")
    part.superlatives = [one for one in part.superlatives if part.aggregates == [] and start <= one.place < stop]
    return only(part, constant=None, filters=[])


def _all(question: Question) -> plan.Selection:
    series = question.named("series")
    return selection_of(question, Part(series=series, categories=_several(question.named("category"))))


def _several(names: list[str]) -> list[str]:
    return names if len(names) > 1 else []


def _pairing(question: Question) -> Pairing:
    superlatives, _ = find_superlatives(question, 0, len(question.words))
    filters, _ = find_filters(question, 0, len(question.words))
    if not superlatives:
        return Pairing(filters=filters)
    return Pairing(filters=filters, order=superlatives[0].order, count=superlatives[0].count)


def _sizes(first: Grid, second: Grid) -> list[str]:
    """Return a word of warning where the two figures count in different sizes: millions against billions."""
    sizes = [{word.key for text in grid.texts for word in split(text)} & set(lex.SCALES) for grid in (first, second)]
    if sizes[0] == sizes[1]:
        return []
    return ["The two figures count in different sizes; their numbers are taken as they stand."]
