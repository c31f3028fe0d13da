"""Whether an analysis names only what its figures have."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.json_format import MessageToDict

from loupe.reasoning.v1.analysis_pb2 import Analysis
from loupe.type.v1.figure_pb2 import Figure
from servers.codegen.programs.parts.reading import read_figure
from servers.kit.errors import InvalidField


def check_analysis(analysis: Analysis, figures: Sequence[Figure]) -> None:
    """Return if every figure, series and category that the analysis names is there.

    Raises:
      InvalidField: one is not; the message says which.
    """
    names: dict[str, tuple[set[str], set[str]]] = {}
    for figure in figures:
        rows = read_figure(MessageToDict(figure, preserving_proto_field_name=True))
        names[figure.figure_id] = ({row["series"] for row in rows}, {row["category"] for row in rows})
    for place, operation in enumerate(analysis.operations):
        for number, operand in enumerate(operation.operands):
            if not operand.HasField("selection"):
                continue
            selection = operand.selection
            field = f"analysis.operations[{place}].operands[{number}].selection"
            figure_id = selection.figure_id or figures[0].figure_id
            if figure_id not in names:
                raise InvalidField(f"{field}.figure_id", f"there is no figure {figure_id}")
            series, categories = names[figure_id]
            _check(f"{field}.series", "series", selection.series, series)
            _check(f"{field}.categories", "category", selection.categories, categories)
            _check(f"{field}.excluded_categories", "category", selection.excluded_categories, categories)


def _check(field: str, noun: str, named: Sequence[str], known: set[str]) -> None:
    for name in named:
        if name not in known:
            raise InvalidField(field, f"the figure has no {noun} {name!r}")
