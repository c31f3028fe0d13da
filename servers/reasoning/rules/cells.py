"""Cells of tables that hold text, and colours: replies that are words printed or shown, not numbers."""

from __future__ import annotations

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Operand, Operation, Selection
from servers.reasoning import lexicon as lex
from servers.reasoning.colors import COLOR_NAMES
from servers.reasoning.parts import only, read_part, selection_of
from servers.reasoning.phrases import any_of
from servers.reasoning.question import Question

_COLOR = any_of(
    r"(what|which) (is the |are the |was the )?colou?rs?",
    r"colou?r (of|is|represents?|stands?|denotes?|marks?|shows?|used|for)",
    r"(in|by) (what|which) colou?r",
    r"what colou?r",
    r"how is .{2,40} colou?red",
    r"name the colou?r",
    r"colou?r code",
    r"'s colou?r",
)


def find_color(question: Question) -> Operation | None:
    """Return the colours of what is named: "which colour is Norway"."""
    says_color = any(word.key in COLOR_NAMES for word in question.words)
    if says_color or not question.has_phrase(_COLOR) or question.is_boolean:
        return None
    part = read_part(question)
    if not part.has_items and not question.grid.is_single:
        return None
    selection = Selection(figure_id=question.grid.figure_id, subject=plan.SUBJECT_VALUES)
    selection.series.extend(part.series)
    selection.categories.extend(part.categories)
    if part.superlatives:
        ranked = part.superlatives[0]
        selection.order, selection.first, selection.count = ranked.order, ranked.first, ranked.count
    return Operation(kind=plan.OPERATION_KIND_COLOR, operands=[Operand(selection=selection)])


def find_of_color(question: Question) -> Operation | None:
    """Return the name of what a colour stands for: "which country is shown in green"."""
    part = read_part(question)
    by_color = [
        mention
        for mention in question.mentions
        if any(word.key in COLOR_NAMES for word in question.words[mention.start : mention.end])
    ]
    others = [mention for mention in question.mentions if mention not in by_color]
    is_of_value = question.has(lex.VALUE_NOUNS) or question.has_phrase(r"\bhow (much|many|high|large|big)\b")
    if len(by_color) != 1 or others or is_of_value or part.filters or part.superlatives or question.is_boolean:
        return None
    if not question.wants_label and not question.has_phrase(r"\b(what|which)\b"):
        return None
    mention = by_color[0]
    selection = Selection(figure_id=question.grid.figure_id, subject=plan.SUBJECT_VALUES)
    if mention.dimension == "series":
        selection.subject = plan.SUBJECT_SERIES
    names = selection.series if mention.dimension == "series" else selection.categories
    names.extend(mention.names)
    return Operation(kind=plan.OPERATION_KIND_LIST, operands=[Operand(selection=selection)])


def find_quote(question: Question) -> Operation | None:
    """Return the text of cells: "what is the capital of France", "which country has the capital Lima"."""
    grid = question.grid
    columns = [name for mention in question.mentions if mention.dimension == "text" for name in mention.names]
    rows = question.named("category")
    part = read_part(question)
    if columns and part.superlatives and len(part.series) == 1 and not part.aggregates:
        return _at_extreme(question, columns)
    if part.series or part.superlatives or part.aggregates or part.filters or question.is_boolean:
        return None
    if not columns and question.wants_label:
        return _rows_of_cell(question)
    if not columns or question.has_phrase(r"\bhow many\b"):
        return None
    if question.wants_label and _is_of_rows(question) and (found := _rows_of_cell(question)):
        return found
    selection = Selection(figure_id=grid.figure_id, subject=plan.SUBJECT_VALUES, series=columns, categories=rows)
    return Operation(kind=plan.OPERATION_KIND_QUOTE, operands=[Operand(selection=selection)])


def _at_extreme(question: Question, columns: list[str]) -> Operation:
    """Return the text of the row with most or least of a number: "the capital of the country with the most lakes"."""
    part = read_part(question)
    ranked = part.superlatives[0]
    rows = selection_of(question, only(part, superlatives=[], constant=None))
    rows.order, rows.first, rows.count = ranked.order, ranked.first, ranked.count
    cells = Selection(figure_id=question.grid.figure_id, subject=plan.SUBJECT_VALUES, series=columns)
    operands = [Operand(selection=cells), Operand(selection=rows)]
    return Operation(kind=plan.OPERATION_KIND_QUOTE, operands=operands)


def _is_of_rows(question: Question) -> bool:
    """Return whether the rows are asked for: "which country ...", where countries are the rows."""
    asking = question.place({"which", "what", "who", "whose", "where"})
    following = question.keys[(asking or 0) + 1 : (asking or 0) + 3] if asking is not None else []
    return any(key in question.category_nouns for key in following if key) or question.has_phrase(
        r"^(which|whose|who|in which) (?!column)\w+ (has|have|had|is|are|was|were|uses?|lists?)\b"
    )


def _rows_of_cell(question: Question) -> Operation | None:
    """Return the rows whose cell prints what the question quotes."""
    for mention in question.mentions:
        if mention.dimension != "category":
            continue
        said = " ".join(word.lower for word in question.words[mention.start : mention.end])
        for (column, row), text in question.grid.texts_at.items():
            if row in mention.names and " ".join(text.lower().split()) == said and row.lower() != said:
                selection = Selection(figure_id=question.grid.figure_id, series=[column], printed=text)
                operand = Operand(selection=selection)
                return Operation(kind=plan.OPERATION_KIND_QUOTE, operands=[operand], form=plan.ANSWER_FORM_LABEL)
    return None
