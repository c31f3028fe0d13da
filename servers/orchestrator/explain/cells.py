"""The numbers of data.csv, each tied to the value it shows."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from loupe.orchestrator.v1.control_pb2 import ExplanationTie
from servers.orchestrator.explain.items import Item, Items, name_of

MOST_CELLS = 4000

_NUMBER = re.compile(r"[-−+(]?\s*[$€£¥₹]?\s*([-−]?[\d.,\u00a0\u202f]*\d(?:[eE][-+]?\d+)?)\s*[^\d\s]{0,12}\s*\)?")


@dataclass(frozen=True, slots=True)
class DataCell:
    """A number in data.csv."""

    record: int
    column: int
    """Both from 1, the header counted."""
    text: str
    number: float
    reach: float
    """Half a unit of its last digit."""
    names: frozenset[str]
    """Of its column and its row."""
    header: str
    label: str

    @property
    def node_id(self) -> str:
        """Return its node's id."""
        return f"cell:{self.record}.{self.column}"


@dataclass(frozen=True, slots=True)
class Tie:
    """What something shows, and what says so."""

    item: Item
    ties: tuple[ExplanationTie.ValueType, ...]


def cells_of(content: str, items: Items) -> tuple[list[DataCell], int]:
    """Return the numbers of a CSV file that are no names, at most 4000, and how many there are beyond."""
    records = [record for record in csv.reader(io.StringIO(content)) if record]
    if not records:
        return [], 0
    names = items.series | items.categories
    body = records[1:]
    width = max(map(len, records))
    columns = [[record[place] if place < len(record) else "" for record in body] for place in range(width)]
    naming = _naming(columns, names)
    found: list[DataCell] = []
    omitted = 0
    for number, record in enumerate(body, start=2):
        own = [text for place, text in enumerate(record) if place in naming]
        for place, text in enumerate(record):
            read = None if place in naming else number_of(text)
            if read is None:
                continue
            if len(found) == MOST_CELLS:
                omitted += 1
                continue
            header = records[0][place] if place < len(records[0]) else ""
            told = frozenset(map(name_of, [header, *own])) - {""}
            found.append(DataCell(number, place + 1, text, *read, told, header, ", ".join(filter(None, own))))
    return found, omitted


def _naming(columns: list[list[str]], names: set[str]) -> set[int]:
    """Return the columns that name rows: those that hold words, and the first where all it holds are names."""
    found: set[int] = set()
    for place, texts in enumerate(columns):
        told = [text for text in texts if text.strip()]
        is_leading = place == len(found) and place + 1 < len(columns)
        if not any(map(number_of, told)) or (is_leading and all(name_of(text) in names for text in told)):
            found.add(place)
    return found


def number_of(text: str) -> tuple[float, float] | None:
    """Return the number that a text is, and half a unit of its last digit; None for one that is none."""
    match = _NUMBER.fullmatch(text.strip())
    if not match:
        return None
    digits = re.sub(r"[,\u00a0\u202f]", "", match[1]).replace("−", "-")
    try:
        number = Decimal(digits)
    except InvalidOperation:
        return None
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or not math.isfinite(float(number)):
        return None
    is_negative = text.strip()[0] in "-−(" and number > 0
    return float(-number if is_negative else number), 0.5 * 10.0**exponent


def tied(cell: DataCell, items: Items, used: set[str]) -> Tie | None:
    """Return the value that a cell shows; `used` are those that other cells show, which come last."""
    # What is printed "12K" is the same as text only.
    near = items.equal(cell.number, cell.reach) or items.printed(cell.text.strip())
    fitting = [item for item in near if _may_be(cell, item, items)]
    if not fitting:
        return None

    def rank(item: Item) -> tuple[bool, bool, bool]:
        return item.category not in cell.names, item.series not in cell.names, item.node_id in used

    best = min(map(rank, fitting))
    equal = sorted((item for item in fitting if rank(item) == best), key=lambda item: (item.place, item.group))
    ties = [ExplanationTie.EXPLANATION_TIE_NUMBER]
    if not best[0]:
        ties.append(ExplanationTie.EXPLANATION_TIE_CATEGORY)
    if not best[1]:
        ties.append(ExplanationTie.EXPLANATION_TIE_SERIES)
    if len(equal) > 1 or sum(rank(item)[:2] == best[:2] for item in fitting) > 1:
        ties.append(ExplanationTie.EXPLANATION_TIE_ORDER)
    return Tie(equal[0], tuple(ties))


def _may_be(cell: DataCell, item: Item, items: Items) -> bool:
    """Return whether no name of a cell says that it is another's."""
    other_category = item.category and item.category not in cell.names and cell.names & items.categories
    other_series = item.series and item.series not in cell.names and cell.names & items.series
    return not other_category and not other_series
