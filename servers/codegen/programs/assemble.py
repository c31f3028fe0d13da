"""The text of a whole program: what it is for, the functions it needs and nothing more, and its `main`."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from enum import Enum

from loupe.reasoning.v1.analysis_pb2 import Analysis, Operation
from loupe.type.v1.figure_pb2 import Figure
from servers.codegen.programs.charts import draw_call
from servers.codegen.programs.library import Library
from servers.codegen.programs.literals import string
from servers.codegen.programs.operations import arguments_of, figure_of, write_operation


class Drawing(Enum):
    """How much of the chart a program draws; less where drawing failed before."""

    FULL = "with the answer in a strong colour"
    PLAIN = "all in one colour, as bars"
    TEXT = "the title alone"


def assemble(
    figures: Sequence[Figure],
    analysis: Analysis,
    library: Library,
    drawing: Drawing = Drawing.FULL,
    failure: str = "",
) -> str:
    """Return the source of the program that carries out an analysis.

    The program is a function of the arguments. Names in the analysis are taken as they are: check them first.

    Args:
      failure: why the analysis can't be carried out after all; the program then writes the data and says so.
    """
    main_id = figure_of(analysis.operations[-1]) or figures[0].figure_id
    figure = next(one for one in figures if one.figure_id == main_id)
    named = {name for operation in analysis.operations for name in _figures_of(operation, figures[0].figure_id)}
    others = [one for one in figures if one.figure_id in named - {main_id}]
    arguments = ", ".join(["values", *(f"values_{other.figure_id}" for other in others)])
    titles = {one.figure_id: _title(one) for one in figures}
    steps = [
        write_operation(operation, _step_name(place, analysis), arguments, main_id, titles)
        for place, operation in enumerate(analysis.operations)
    ]
    if failure or analysis.refusal:
        steps = [_give_up(failure or analysis.refusal, arguments)]
    body = "\n\n\n".join([*steps, _main(analysis, figure, others, arguments, drawing, failure)])
    parts = library.closure(body)
    constants = [part.text for part in parts if not part.text.startswith(("def ", "class "))]
    functions = [part.text for part in parts if part.text.startswith(("def ", "class "))]
    classes = [text for text in functions if text.startswith("class ")]
    program = "\n\n\n".join([*classes, body, *(text for text in functions if text not in classes)])
    imports = "\n".join(library.imports_for("\n".join([*constants, program])))
    head = "\n\n".join([_docstring(analysis), imports, *(["\n".join(constants)] if constants else [])])
    return f"{head}\n\n\n{program}\n\n\nmain()\n"


def _give_up(failure: str, arguments: str) -> str:
    signature = ", ".join(f"{argument}: pd.DataFrame" for argument in arguments.split(", "))
    return "\n".join(
        [
            f"def solve({signature}) -> dict:",
            '    """Say why there is no answer."""',
            f"    raise Unanswerable({string(failure)})",
        ]
    )


def _docstring(analysis: Analysis) -> str:
    question = _safe(analysis.question)
    first = f"Answers from a figure: {question}" if question else "Describes a figure."
    lines = textwrap.wrap(first, 110) or [first]
    rest = "Reads chart.json, the figures as JSON; writes data.csv, chart.png and answer.json beside it."
    return '"""' + "\n".join([*lines, "", rest]) + '\n"""'


def _safe(text: str) -> str:
    """Return text that can stand in a docstring: one line, no backslash, no quote that would end it."""
    line = " ".join(text.split()).replace("\\", "/").replace('"', "'")
    return "".join(letter for letter in line if letter.isprintable())


def _main(
    analysis: Analysis, figure: Figure, others: list[Figure], arguments: str, drawing: Drawing, failure: str
) -> str:
    lines = [
        "def main() -> None:",
        '    """Read chart.json; write data.csv, answer.json and chart.png."""',
        '    figures = json.loads(Path("chart.json").read_text(encoding="utf-8"))',
        f"    everything = {_frame(figure)}",
        '    write_data(everything, "data.csv")',
        '    values = everything[everything["is_text"].eq(False)]',
    ]
    for other in others:
        name = f"values_{other.figure_id}"
        lines += [f"    {name} = {_frame(other)}", f'    {name} = {name}[{name}["is_text"].eq(False)]']
    read = "values" if not others else f"pd.concat([{arguments}])"
    last = analysis.operations[-1]
    is_given_up = failure or analysis.refusal
    lines += ["    try:", f"        answer = solve({arguments if is_given_up else arguments_of(last, arguments)})"]
    if not is_given_up:
        lines += [
            f"        add_support(answer, {_step_name(place, analysis)}({arguments_of(operation, arguments)}))"
            for place, operation in enumerate(analysis.operations[:-1])
        ]
    lines += [f"        answer = with_doubts(answer, {read})", "        answer = with_cautions(answer, figures)"]
    lines += [f'        answer["text"] += {string(f" {note}")}' for note in analysis.assumptions]
    lines += [
        "    except Unanswerable as reason:",
        "        answer = unanswerable(str(reason))",
        "    text = json.dumps(answer, ensure_ascii=False, indent=2)",
        '    Path("answer.json").write_text(f"{text}\\n", encoding="utf-8")',
    ]
    if drawing is Drawing.FULL:
        shown = Operation() if is_given_up else last
        lines.append('    used = [name for value in answer["values"] for name in value["value_ids"]]')
        lines.append(f"    {draw_call(figure, shown, _title(figure))}")
    elif drawing is Drawing.PLAIN:
        lines.append(f'    draw_plain(values, {string(_title(figure))}, "chart.png")')
    else:
        lines.append('    draw_text("The chart could not be drawn; data.csv holds its values.", "chart.png")')
    return "\n".join(lines)


def _frame(figure: Figure) -> str:
    kind = figure.WhichOneof("content") or "chart"
    return f'frame_of(read_{kind}(content_of(figures, "{figure.figure_id}", "{kind}")))'


def _title(figure: Figure) -> str:
    title = figure.chart.title if figure.HasField("chart") else figure.table.title
    return " ".join(title.split())


def _step_name(place: int, analysis: Analysis) -> str:
    return "solve" if place == len(analysis.operations) - 1 else f"support_{place + 1}"


def _figures_of(operation: Operation, first: str) -> list[str]:
    return [operand.selection.figure_id or first for operand in operation.operands if operand.HasField("selection")]
