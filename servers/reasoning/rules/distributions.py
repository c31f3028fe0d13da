"""What the bins of a histogram say: the fullest bin, shares above and below, estimates of mean and median, skew."""

from __future__ import annotations

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Distribution, DistributionStatistic, Operand, Operation
from servers.reasoning import lexicon as lex
from servers.reasoning.parts import only, read_part, selection_of
from servers.reasoning.phrases import any_of
from servers.reasoning.question import Question
from servers.reasoning.words import split

_BINS = r"\b(bins?|bars?|class(es)?|intervals?|columns?|buckets?)\b"
_STATISTICS: tuple[tuple[str, DistributionStatistic.ValueType], ...] = (
    (r"\b(skew\w*|symmetr\w*|asymmetr\w*|tails?|lopsided|lean(s|ing)?|shape)\b", plan.DISTRIBUTION_STATISTIC_SKEW),
    (
        any_of(
            r"standard deviation",
            r"std",
            r"spread",
            r"variab\w+",
            r"dispersion",
            r"how (widely|spread)",
        ),
        plan.DISTRIBUTION_STATISTIC_STANDARD_DEVIATION,
    ),
    (
        any_of(
            r"median",
            r"50th percentile",
            r"half (of|the)\b.*\b(below|above|under|over|less|more|lower|higher)",
            r"(below|above|under|over|less than|more than) (which|what)\b.*\bhalf",
        ),
        plan.DISTRIBUTION_STATISTIC_MEDIAN,
    ),
    (r"\b(mean|average|avg|typical)\b", plan.DISTRIBUTION_STATISTIC_MEAN),
    (
        any_of(
            r"mod(e|al)",
            r"most (common|frequent|often|likely|popular)",
            r"(fullest|tallest|highest|biggest|largest|longest)",
            r"peaks?",
            r"where do most",
            r"(which|what) .*\b(most|maximum)",
        ),
        plan.DISTRIBUTION_STATISTIC_MODE,
    ),
)
_TOTAL = any_of(
    r"(in total|total|altogether|overall|sample size|in all|sum of|how large is the sample)",
    r"how many\b.*\b(observations?|values?|cases?|samples?|data ?points?|measurements?|are there|are shown|counted)",
)
_SUMMARY = r"\b(distribution|histogram|distributed)\b"


def find_stretch(question: Question) -> Operation | None:
    """Return how many, or what share, lie above, below or between values of the measured axis."""
    part = read_part(question)
    counts_bins = question.has_phrase(rf"\bhow many {_BINS}|\bnumber of {_BINS}|\b(which|what) {_BINS}")
    if not part.filters or counts_bins or any(one.HasField("operand") for one in part.filters):
        return None
    distribution = Distribution(statistic=plan.DISTRIBUTION_STATISTIC_COUNT)
    asks_share = question.has(lex.SHARE - {"%"}) or question.has_phrase(
        r"%(?! (above|below))|\bper ?cent|\bhow (large|big) a part"
    )
    if asks_share or question.has_phrase(r"\b(probability|likelihood|chance)\b"):
        distribution.statistic = plan.DISTRIBUTION_STATISTIC_SHARE
    for one in part.filters:
        if one.comparison in (plan.COMPARISON_GREATER, plan.COMPARISON_GREATER_OR_EQUAL):
            setattr(distribution, "from", one.threshold)
        elif one.comparison != plan.COMPARISON_EQUAL:
            distribution.to = one.threshold
    if not distribution.HasField("from") and not distribution.HasField("to"):
        return None
    return _of(question, distribution)


def find_bin(question: Question) -> Operation | None:
    """Return a statistic of the whole distribution."""
    if question.named("category") or (question.is_boolean and not question.has_phrase(r"\bskew|\bsymm|\btail")):
        return None
    asks_least = question.has(lex.LOW) and not question.has(lex.HIGH)
    has_bins = question.has_phrase(rf"\bhow many {_BINS}|\bnumber of {_BINS}")
    if asks_least or has_bins or read_part(question).filters:
        return None
    for pattern, statistic in _STATISTICS:
        if question.has_phrase(pattern):
            is_value = statistic == plan.DISTRIBUTION_STATISTIC_MODE and not _asks_for_bin(question)
            return None if is_value else _of(question, Distribution(statistic=statistic))
    measured = {word.key for text in question.grid.value_titles for word in split(text)} - lex.VALUE_NOUNS
    counts_all = question.has_phrase(r"\bhow many\b") and any(key in measured for key in question.keys)
    if counts_all or question.has_phrase(_TOTAL):
        return _of(question, Distribution(statistic=plan.DISTRIBUTION_STATISTIC_COUNT))
    if question.has_phrase(_SUMMARY):
        return _of(question, Distribution())
    return None


def _asks_for_bin(question: Question) -> bool:
    """Return whether the fullest bin itself is asked for, not the count in it."""
    if question.has_phrase(
        any_of(
            r"how (many|high|tall|much|often)",
            r"(count|frequency|height|number|value) (of|in|for) the",
        )
    ):
        return False
    if question.has_phrase(r"\b(highest|largest|maximum|biggest|greatest|peak) (count|frequency|number|value)\b"):
        return question.wants_label
    return True


def _of(question: Question, distribution: Distribution) -> Operation:
    part = read_part(question)
    bare = only(part, filters=[], superlatives=[], aggregates=[], constant=None, categories=[])
    operand = Operand(selection=selection_of(question, bare, keeps_totals=True))
    return Operation(kind=plan.OPERATION_KIND_DISTRIBUTION, operands=[operand], distribution=distribution)
