"""Choosing: from the rows of a figure to items: a label with a number and the ids of the values behind it."""

# mypy: disable-error-code="type-arg"

from collections.abc import Callable

import pandas as pd  # type: ignore[import-untyped]  # stands in the runtime of programs only

from servers.codegen.programs.parts.making import change, digits_of, percent_change
from servers.codegen.programs.parts.writing import Unanswerable

COLUMNS = ["series", "category", "number", "unit", "decimals", "printed", "id", "doubt", "is_text", "color"]
PLACE_COLUMNS = ["x", "x_end", "x_ids", "x_kind", "x_name"]


def content_of(figures: list[dict], figure_id: str, kind: str) -> dict:
    """Return the chart or the table of one of the figures."""
    by_id = {figure["figure_id"]: figure for figure in figures}
    return dict(by_id[figure_id][kind])


def frame_of(rows: list[dict]) -> pd.DataFrame:
    """Return the values of a figure, a row each."""
    return pd.DataFrame(rows, columns=[*COLUMNS, *PLACE_COLUMNS])


def pick(
    values: pd.DataFrame,
    series: list[str] | None = None,
    categories: list[str] | None = None,
    without: list[str] | None = None,
) -> pd.DataFrame:
    """Return the values of some series at some categories as items, in that order; None means all."""
    chosen = values[~values["category"].isin(without or [])]
    if series:
        chosen = in_order(chosen, "series", series)
    if categories:
        chosen = in_order(chosen, "category", categories)
    missing = chosen[chosen["number"].isna()]
    if len(missing) == len(chosen) or (categories and len(missing)):
        names = ", ".join(f"“{name}”" for name in missing["category"].unique()[:5])
        raise Unanswerable(f"no number could be read for {names}" if names else "no numbers could be read")
    items = chosen.dropna(subset=["number"]).reset_index(drop=True)
    has_series, has_categories = values["series"].nunique() > 1, items["category"].nunique() > 1
    if has_series and items["series"].nunique() > 1:
        items["label"] = items["category"] + ", " + items["series"] if has_categories else items["series"]
    else:
        items["label"] = items["category"]
    items["name"] = "“" + items["category"] + "”"
    if has_series:
        items["name"] = "“" + items["series"] + "” at " + items["name"]
    items["ids"] = [[name] for name in items["id"]]
    return items


def of_figure(items: pd.DataFrame, title: str) -> pd.DataFrame:
    """Return the items under names that say which of several figures they stand in."""
    series = items["series"].replace("Value", title)
    return items.assign(name=items["name"] + f" of “{title}”", series=series, label=series)


def by_x(items: pd.DataFrame) -> pd.DataFrame:
    """Return the items with their x in place of their y."""
    placed = items.dropna(subset=["x"])
    if placed.empty:
        raise Unanswerable("the values have no x")
    names = "x of “" + placed["series"] + "” at y " + placed["number"].map("{:g}".format)
    digits = placed["x"].map(lambda x: digits_of(x, 6))
    names = placed["x_name"].where(placed["x_name"] != "x", names)
    return placed.assign(number=placed["x"], ids=placed["x_ids"], unit="", decimals=digits, printed="", name=names)


def in_order(values: pd.DataFrame, column: str, names: list[str]) -> pd.DataFrame:
    """Return the rows that the names name, in the order of the names."""
    place = {name: index for index, name in enumerate(names)}
    return values[values[column].isin(names)].sort_values(column, key=lambda cells: cells.map(place), kind="stable")


def per(items: pd.DataFrame, column: str, combine: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """Return one item for each category or each series, its values combined."""
    rows = []
    for name, group in items.groupby(column, sort=False):
        row = combine(group.reset_index(drop=True))
        rows.append(row if len(group) == 1 else row.assign(name=f"{row['name'].iloc[0]}"))
        rows[-1] = rows[-1].assign(label=name)
    return pd.concat(rows, ignore_index=True)


def changes(items: pd.DataFrame, relative: bool) -> pd.DataFrame:
    """Return the change of each item from the one before it in its series; relative in percent."""
    rows = []
    for _, group in items.groupby("series", sort=False):
        for place in range(1, len(group)):
            before, after = group.iloc[[place - 1]], group.iloc[[place]]
            step = percent_change(before, after) if relative else change(pd.concat([before, after]))
            rows.append(step.assign(label=after["label"].iloc[0], name=f"the change to {after['name'].iloc[0]}"))
    if not rows:
        raise Unanswerable("a change needs at least two values in a row")
    return pd.concat(rows, ignore_index=True)


def twins(items: pd.DataFrame) -> pd.DataFrame:
    """Return the items whose number another item has too."""
    return items[items["number"].duplicated(keep=False)].reset_index(drop=True)


def kept(items: pd.DataFrame, passes: pd.Series) -> pd.DataFrame:
    """Return the items that pass."""
    return items[passes].reset_index(drop=True)


def ranked(items: pd.DataFrame, descending: bool, first: int = 1, count: int | None = None) -> pd.DataFrame:
    """Return items by number, from a rank on; equal ones stay in the figure's order."""
    ordered = items.sort_values("number", ascending=not descending, kind="stable")
    return some(ordered, first, count)


def nearest(
    items: pd.DataFrame, target: float, descending: bool, first: int = 1, count: int | None = None
) -> pd.DataFrame:
    """Return items by their distance from a number, from a rank on."""
    order = (items["number"] - target).abs().sort_values(ascending=not descending, kind="stable").index
    return some(items.loc[order], first, count)


def some(items: pd.DataFrame, first: int = 1, count: int | None = None) -> pd.DataFrame:
    """Return the items from a place on."""
    taken = items.iloc[first - 1 : None if count is None else first - 1 + count].reset_index(drop=True)
    if items.empty:
        raise Unanswerable("no value in the figure is like that")
    if taken.empty:
        raise Unanswerable("there are fewer values than the question asks for")
    return taken


def with_ties(items: pd.DataFrame, every: pd.DataFrame) -> pd.DataFrame:
    """Return the items and those of `every` that equal the last of them."""
    last = items["number"].iloc[-1]
    rest = every[(every["number"] == last) & ~every["name"].isin(items["name"])]
    return pd.concat([items, rest], ignore_index=True)
