"""Tables: ruled, with header rules only, striped, with spanning headers, in small print, of accounts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from tests.specimens import fonts, measures, words
from tests.specimens.canvas import Drawing
from tests.specimens.truth import TABLE, TrueCell, TrueFigure, TrueTable
from tests.specimens.typesetting import Rules, TableLook, typeset

_RULES: tuple[Rules, ...] = ("rows", "head", "none", "all")
_QUIET: tuple[Rules, ...] = ("none", "none", "rows")
Printed = tuple[str, float | None]
"""A cell's text and its number."""

_ACCOUNTS = (
    "Revenue", "Cost of sales", "Gross profit", "Research and development", "Selling and marketing", "General expenses",
    "Operating income", "Interest expense", "Other income", "Income before tax", "Income tax", "Net income",
    "Earnings per share", "Dividends paid", "Total assets", "Long-term debt", "Shareholders' equity", "Free cash flow",
)  # fmt: skip
_FINDINGS = (
    "Age, years", "Male sex", "Body mass index", "Systolic pressure", "Heart rate", "Smokers", "Diabetes",
    "Hypertension", "Creatinine", "Hemoglobin", "Platelet count", "Length of stay", "Mortality", "Total cholesterol",
    "Albumin", "Baseline score", "Follow-up, months", "Any adverse event",
)  # fmt: skip
GROUPS = (
    "Control",
    "Treatment",
    "Placebo",
    "Group A",
    "Group B",
    "Men",
    "Women",
    "All patients",
    "Cohort 1",
    "Cohort 2",
)
COLUMNS = (
    "Total",
    "Mean",
    "SD",
    "Min",
    "Max",
    "Share",
    "Change",
    "Rank",
    "Count",
    "Median",
    "Price",
    "Units",
    "Target",
)


def numbers(rng: Random, count: int) -> list[Printed]:
    """Return a column of numbers printed alike."""
    style = rng.choice(("plain", "decimals", "comma", "percent", "measure"))
    if style == "percent":
        values = [round(rng.uniform(0, 100), 1) for _ in range(count)]
        return [(f"{v:.1f}%", v) for v in values]
    if style == "comma":
        top = 10 ** rng.uniform(3.5, 6)
        return [(f"{v:,d}", float(v)) for v in (rng.randint(100, int(top)) for _ in range(count))]
    if style == "decimals":
        places, top = rng.choice((1, 2, 3)), 10 ** rng.uniform(0, 2.5)
        values = [round(rng.uniform(0, top), places) for _ in range(count)]
        return [(f"{v:.{places}f}", v) for v in values]
    if style == "measure":
        measure = measures.pick(rng, is_small=True)
        return [(measure.label(v), v) for v in measure.sample(rng, count)]
    top = rng.choice((9, 99, 999, 9999))
    return [(str(v), float(v)) for v in (rng.randint(0, top) for _ in range(count))]


def _findings(rng: Random, count: int) -> list[Printed]:
    """Return a column as journals print it: spreads, shares in brackets, probabilities."""
    column: list[Printed] = []
    for _ in range(count):
        style = rng.choice(("plus", "share", "decimal", "decimal", "p"))
        if style == "plus":
            column.append((f"{rng.uniform(1, 99):.1f} ± {rng.uniform(0.1, 9):.1f}", None))
        elif style == "share":
            column.append((f"{rng.randint(1, 250)} ({rng.uniform(0, 100):.1f})", None))
        elif style == "p":
            value = round(rng.uniform(0.001, 0.9), 3)
            column.append((f"{value:.3f}", value) if rng.random() < 0.7 else ("<0.001", None))
        else:
            value = round(rng.uniform(0, 150), rng.choice((1, 2)))
            column.append((f"{value:.2f}", value))
    return column


def _amounts(rng: Random, count: int, *, has_sign: bool) -> list[Printed]:
    """Return a column of money: brackets below zero, dashes for nothing."""
    column: list[Printed] = []
    for index in range(count):
        chance = rng.random()
        value = float(rng.randint(5, 99_999))
        sign = "$" if has_sign and index in (0, count - 1) else ""
        if chance < 0.08:
            column.append((rng.choice(("—", "–", "-")), None))
        elif chance < 0.30:
            column.append((f"({sign}{value:,.0f})", -value))
        elif chance < 0.40:
            value = round(rng.uniform(0.1, 60), 1)
            column.append((f"{value:.1f}%", value))
        elif chance < 0.48:
            value = round(rng.uniform(0.1, 20), 2)
            column.append((f"{sign}{value:.2f}", value))
        else:
            column.append((f"{sign}{value:,.0f}", value))
    return column


def grid(
    corner: str,
    heads: Sequence[str],
    names: Sequence[str],
    columns: Sequence[Sequence[Printed]],
    *,
    above: Sequence[str] = (),
) -> TrueTable:
    """Return a table of named columns and rows.

    Args:
      above: spanning headers over equal groups of columns; the corner then spans both header rows.
    """
    depth = 2 if above else 1
    cells = [TrueCell(0, 0, corner, row_span=depth, is_header=True)]
    if above:
        wide = len(heads) // len(above)
        cells += [TrueCell(0, 1 + i * wide, text, column_span=wide, is_header=True) for i, text in enumerate(above)]
    cells += [TrueCell(depth - 1, 1 + j, head, is_header=True) for j, head in enumerate(heads)]
    for i, name in enumerate(names):
        cells.append(TrueCell(depth + i, 0, name))
        cells += [
            TrueCell(depth + i, 1 + j, text, number) for j, (text, number) in enumerate(column[i] for column in columns)
        ]
    return TrueTable(depth + len(names), 1 + len(heads), depth, 1, tuple(cells))


def drawing(table: TrueTable, look: TableLook, title: str = "") -> Drawing:
    """Return the picture of a table and its truth."""
    rgb, region = typeset(table, look)
    plain = replace(table, cells=tuple(replace(cell, text=cell.text.replace("\n", " ")) for cell in table.cells))
    return rgb, (TrueFigure(TABLE, title=title, table=plain, region=region),)


def _usual(rng: Random) -> TrueTable:
    count, wide = rng.randint(3, 12), rng.randint(2, 6)
    names = words.categories(rng, min(count, 10), longest=26)
    heads = [str(year) for year in words.years(rng, wide)] if rng.random() < 0.4 else rng.sample(COLUMNS, wide)
    corner = rng.choice(("", "Country", "Name", "Category", "Item"))
    return grid(corner, heads, names, [numbers(rng, len(names)) for _ in heads])


def _web_look(rng: Random) -> TableLook:
    return TableLook(
        font=rng.choice(fonts.SANS),
        em_px=float(rng.randint(12, 22)),
        pad_x=rng.uniform(0.4, 1.2),
        pad_y=rng.uniform(0.15, 0.6),
        number_align=rng.choice(("right", "right", "center", "left")),
        rule_color=rng.choice(("#000000", "#808080", "#bfbfbf", "#dddddd")),
        is_head_bold=rng.random() < 0.75,
        least_column=rng.choice((0.0, 4.0, 6.0)),
        margin=rng.uniform(0.3, 2.0),
        oversampling=rng.choice((1, 1, 2)),
    )


def _page_look(rng: Random) -> TableLook:
    return replace(
        _web_look(rng),
        font=rng.choice((*fonts.SERIF, "STIX", "Source Sans", "Roboto")),
        rules="head",
        rule_color="#000000",
        pad_y=rng.uniform(0.02, 0.3),
        oversampling=4,
        number_align=rng.choice(("right", "center", "center", "left")),
        caption=f"Table {rng.randint(1, 9)}. {words.title(rng)}" if rng.random() < 0.5 else "",
        footnote=rng.choice(("", "", "Values are mean ± SD or n (%).", words.source(rng))),
    )


def any_look(rng: Random) -> TableLook:
    """Return the look of a table on a web page or on a printed one, ruled in any way or striped."""
    look = rng.choice((_web_look, _page_look))(rng)
    stripe = rng.choice(("", "", "", "#f2f2f2", "#e6f2ff"))
    return replace(look, rules=rng.choice(_RULES), em_px=rng.uniform(12, 24), stripe_fill=stripe)


def _ruled(rng: Random) -> Drawing:
    fills = rng.choice((("", ""), ("#e7e6e6", ""), ("#4472c4", "#ffffff"), ("#f2f2f2", ""), ("#1f4e79", "#ffffff")))
    look = replace(_web_look(rng), rules="all", head_fill=fills[0], head_ink=fills[1])
    return drawing(_usual(rng), look)


def _unruled(rng: Random) -> Drawing:
    look = replace(_page_look(rng), em_px=rng.uniform(15, 26))
    return drawing(_usual(rng) if rng.random() < 0.5 else _journal(rng), look, look.caption)


def _zebra(rng: Random) -> Drawing:
    head, ink, stripe = rng.choice(
        (
            ("#4472c4", "#ffffff", "#d9e1f2"),
            ("#343a40", "#ffffff", "#f2f2f2"),
            ("", "", "#f5f5f5"),
            ("#70ad47", "#ffffff", "#e2efda"),
        )
    )
    rules = rng.choice(_QUIET)
    return drawing(
        _usual(rng),
        replace(_web_look(rng), rules=rules, head_fill=head, head_ink=ink, stripe_fill=stripe, rule_color="#dddddd"),
    )


def _spanning(rng: Random) -> Drawing:
    groups = rng.sample(GROUPS, rng.choice((2, 2, 3)))
    parts = rng.choice((["2019", "2020"], ["Mean", "SD"], ["n", "%"], ["Low", "Mid", "High"], ["Men", "Women", "All"]))
    heads = parts * len(groups)
    names = words.categories(rng, rng.randint(4, 10), longest=24)
    table = grid(rng.choice(("", "Item")), heads, names, [numbers(rng, len(names)) for _ in heads], above=groups)
    if rng.random() < 0.5:
        return drawing(table, replace(_page_look(rng), em_px=rng.uniform(14, 24)))
    return drawing(table, replace(_web_look(rng), rules="all", number_align="center"))


def _journal(rng: Random) -> TrueTable:
    names = rng.sample(_FINDINGS, rng.randint(5, 14))
    groups = rng.sample(GROUPS, rng.randint(2, 4))
    heads = [f"{group}\n(n = {rng.randint(12, 480)})" if rng.random() < 0.5 else group for group in groups]
    columns = [_findings(rng, len(names)) for _ in heads]
    if rng.random() < 0.6:
        heads.append("P value")
        values = [round(rng.uniform(0.001, 0.95), 3) for _ in names]
        columns.append([(f"{v:.3f}", v) for v in values])
    return grid(rng.choice(("", "Characteristic", "Variable")), heads, names, columns)


def _small(rng: Random) -> Drawing:
    """Print whose small letters are 5 to 8 px high, as on a page scaled to a screen."""
    look = _page_look(rng)
    x_height = {"DejaVu Serif": 0.52, "DejaVu Sans": 0.55, "Roboto": 0.53, "Source Sans": 0.49}.get(look.font, 0.46)
    look = replace(look, em_px=rng.uniform(5.0, 8.0) / x_height)
    return drawing(_journal(rng) if rng.random() < 0.7 else _usual(rng), look, look.caption)


def _financial(rng: Random) -> Drawing:
    names = rng.sample(_ACCOUNTS, rng.randint(5, 14))
    last = rng.randint(2008, 2024)
    heads = [str(last - index) for index in range(rng.randint(2, 4))]
    has_sign = rng.random() < 0.6
    columns = [_amounts(rng, len(names), has_sign=has_sign) for _ in heads]
    corner = rng.choice(("", "(in millions)", "$ thousands", "Year ended December 31"))
    look = replace(
        rng.choice((_web_look, _page_look))(rng),
        number_align="right",
        rules=rng.choice(_RULES),
        em_px=rng.uniform(13, 22),
        stripe_fill=rng.choice(("", "", "#e6f2ff")),
    )
    return drawing(grid(corner, heads, names, columns), look, look.caption)


KINDS: dict[str, Callable[[Random], Drawing]] = {
    "table_ruled": _ruled,
    "table_unruled": _unruled,
    "table_zebra": _zebra,
    "table_spanning": _spanning,
    "table_small": _small,
    "table_financial": _financial,
}
