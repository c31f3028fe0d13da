"""Tables that add up, have gaps or notes, or come in worn: what accounts, statistics and scans of pages look like."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.specimens import tables, words
from tests.specimens.canvas import Drawing
from tests.specimens.degrade import degrade_hard
from tests.specimens.tables import Printed

_REMARKS = (
    "Yes",
    "No",
    "Low",
    "High",
    "Medium",
    "In progress",
    "Done",
    "Not started",
    "East",
    "West",
    "Type A",
    "Open",
)
_MARKS = ("*", "†", "¹", "²", " a")


def _counted(rng: Random) -> Drawing:
    """Numbers of one kind with a last row that is their sum, and sometimes a last column of sums."""
    names = words.categories(rng, rng.randint(4, 12), longest=24)
    wide = rng.randint(2, 5)
    places = rng.choice((0, 0, 0, 1, 2))
    top = 10 ** rng.uniform(1.5, 5.5)
    rows = [[round(rng.uniform(0.02, 1) * top, places) for _ in range(wide)] for _ in names]
    heads = [str(year) for year in words.years(rng, wide)] if rng.random() < 0.5 else rng.sample(tables.GROUPS, wide)
    if rng.random() < 0.4:
        rows = [[*row, round(sum(row), places)] for row in rows]
        heads = [*heads, "Total"]
    rows.append([round(sum(column), places) for column in zip(*rows, strict=True)])
    sign = rng.choice(("", "", "$", "€"))
    columns = [
        [_money(number, places, sign if index in (0, len(names)) else "") for index, number in enumerate(column)]
        for column in zip(*rows, strict=True)
    ]
    table = tables.grid(rng.choice(("", "Item", "Region")), heads, [*names, rng.choice(("Total", "TOTAL"))], columns)
    look = tables.any_look(rng)
    return tables.drawing(table, look, look.caption)


def _money(number: float, places: int, sign: str) -> Printed:
    return f"{sign}{number:,.{places}f}", number


def _patchy(rng: Random) -> Drawing:
    """Columns of unlike numbers, some of words, with gaps, notes at some numbers, and names that bear marks."""
    names = words.categories(rng, rng.randint(5, 12), longest=24)
    names = [name + rng.choice(_MARKS) if rng.random() < 0.12 else name for name in names]
    heads = rng.sample(tables.COLUMNS, rng.randint(2, 6))
    columns = [[_with_gaps(rng, cell) for cell in tables.numbers(rng, len(names))] for _ in heads]
    for _ in range(rng.choice((0, 0, 1, 2))):
        columns[rng.randrange(1, len(columns))] = [(rng.choice(_REMARKS), None) for _ in names]
    look = tables.any_look(rng)
    return tables.drawing(tables.grid(rng.choice(("", "Name")), heads, names, columns), look, look.caption)


def _with_gaps(rng: Random, cell: Printed) -> Printed:
    chance = rng.random()
    if chance < 0.06:
        return "", None
    if chance < 0.10:
        return rng.choice(("-", "–", "n/a", "...")), None
    if chance < 0.13:
        return cell[0] + "*", cell[1]
    return cell


def _worn(rng: Random) -> Drawing:
    """Any table, askew, blurred, noisy or much compressed, and still legible."""
    maker = rng.choice((*tables.KINDS.values(), _counted, _patchy))
    rgb, truth = maker(rng)
    return degrade_hard(rgb, rng), truth


KINDS: dict[str, Callable[[Random], Drawing]] = {
    "table_totals": _counted,
    "table_patchy": _patchy,
    "table_worn": _worn,
}
