"""One operation as a Python function: a statement for each stage of its selections, then the reply."""

from __future__ import annotations

from loupe.reasoning.v1 import analysis_pb2 as plan
from loupe.reasoning.v1.analysis_pb2 import Operation
from servers.codegen.programs.literals import string
from servers.codegen.programs.methods import method_reply, reads_whole_figure, stays_apart
from servers.codegen.programs.replies import plain_reply
from servers.codegen.programs.selections import operand_lines

_FORMS = {plan.ANSWER_FORM_LABEL: ", by name", plan.ANSWER_FORM_BOOLEAN: ", as yes or no"}
_KEEPS_ALL = (plan.OPERATION_KIND_COUNT, plan.OPERATION_KIND_TOP_K)


def figure_of(operation: Operation) -> str:
    """Return the figure that an operation's first selection names; empty where it names none."""
    return next((one.selection.figure_id for one in operation.operands if one.HasField("selection")), "")


def arguments_of(operation: Operation, arguments: str) -> str:
    """Return what the function of an operation takes: the numbers of each figure, or all cells where it quotes text."""
    return "everything" if operation.kind == plan.OPERATION_KIND_QUOTE else arguments


def write_operation(operation: Operation, name: str, arguments: str, main_id: str, titles: dict[str, str]) -> str:
    """Return the source of the function that carries out an operation on the values of its figures.

    Args:
      arguments: what the function takes, a name for each figure, joined by commas.
      main_id: the figure whose values go by the name "values".
      titles: by figure, the first figure first.
    """
    taken = arguments_of(operation, arguments)
    signature = ", ".join(f"{argument}: pd.DataFrame" for argument in taken.split(", "))
    kind = plan.OperationKind.Name(operation.kind).removeprefix("OPERATION_KIND_").replace("_", " ").lower()
    lines = [f'    """Return the answer: {kind}{_FORMS.get(operation.form, "")}."""']
    if not reads_whole_figure(operation):
        lines += [f"    {line}" for line in _operands(operation, main_id, titles)]
    reply = method_reply(operation) or plain_reply(operation, titles[main_id])
    return "\n".join([f"def {name}({signature}) -> dict:", *lines, *(f"    {line}" for line in reply)])


def _operands(operation: Operation, main_id: str, titles: dict[str, str]) -> list[str]:
    lines: list[str] = []
    first_id = next(iter(titles))
    figures = {one.selection.figure_id or first_id for one in operation.operands if one.HasField("selection")}
    several = len(operation.operands) > 1
    names = [f"part_{place + 1}" if several else "items" for place in range(len(operation.operands))]
    for variable, operand in zip(names, operation.operands, strict=True):
        figure_id = operand.selection.figure_id or first_id
        source = "values" if figure_id == main_id else f"values_{figure_id}"
        lines += operand_lines(operand, variable, source, keeps_all=operation.kind in _KEEPS_ALL and not several)
        if len(figures) > 1 and operand.HasField("selection"):
            lines.append(f"{variable} = of_figure({variable}, {string(titles[figure_id] or figure_id)})")
    if several and not stays_apart(operation):
        lines.append(f"items = pd.concat([{', '.join(names)}], ignore_index=True)")
    return lines
