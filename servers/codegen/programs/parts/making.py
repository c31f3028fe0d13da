"""Making: from several items to one. Its ids are those of all that it was made from."""

import math

import pandas as pd  # type: ignore[import-untyped]  # stands in the runtime of programs only

from servers.codegen.programs.parts.writing import Unanswerable, shown


def total(items: pd.DataFrame) -> pd.DataFrame:
    """Return the sum as one item."""
    return made(items, items["number"].sum(), "the total of")


def mean(items: pd.DataFrame) -> pd.DataFrame:
    """Return the average as one item."""
    return made(items, items["number"].mean(), "the average of", more_decimals=2)


def median(items: pd.DataFrame) -> pd.DataFrame:
    """Return the median as one item."""
    return made(items, items["number"].median(), "the median of", more_decimals=1)


def greatest(items: pd.DataFrame) -> pd.DataFrame:
    """Return the item with the greatest number."""
    return items.loc[[items["number"].idxmax()]].reset_index(drop=True)


def least(items: pd.DataFrame) -> pd.DataFrame:
    """Return the item with the least number."""
    return items.loc[[items["number"].idxmin()]].reset_index(drop=True)


def span(items: pd.DataFrame) -> pd.DataFrame:
    """Return greatest less least as one item."""
    return made(items, items["number"].max() - items["number"].min(), "the spread of")


def change(items: pd.DataFrame) -> pd.DataFrame:
    """Return last less first as one item."""
    ends = items.iloc[[0, -1]]
    return made(ends, ends["number"].iloc[1] - ends["number"].iloc[0], "the change over")


def relative_change(items: pd.DataFrame) -> pd.DataFrame:
    """Return last less first in percent of the first as one item."""
    return percent_change(items.iloc[[0]], items.iloc[[-1]])


def percent_change(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Return the change from one item to another in percent of the first."""
    start, end = before["number"].iloc[0], after["number"].iloc[0]
    if start == 0:
        raise Unanswerable(f"a relative change from {before['name'].iloc[0]} has no meaning: it is zero")
    both = pd.concat([before, after], ignore_index=True)
    return made(both, (end - start) / abs(start) * 100, "the relative change over", unit="%", decimals=2)


def count(items: pd.DataFrame) -> pd.DataFrame:
    """Return how many items there are as one item."""
    return made(items, len(items), "the count of", unit="", decimals=0)


def product(items: pd.DataFrame) -> pd.DataFrame:
    """Return the product as one item."""
    return made(items, items["number"].prod(), "the product of", unit="", more_decimals=2)


def made(
    items: pd.DataFrame,
    number: float,
    words: str,
    unit: str | None = None,
    decimals: int | None = None,
    more_decimals: int = 0,
) -> pd.DataFrame:
    """Return one item made of several: its number, a name from the words, all their ids."""
    digits = int(items["decimals"].max()) + more_decimals if decimals is None else decimals
    name = f"{words} {listing(items)}"
    same_category, same_series = items["category"].nunique() == 1, items["series"].nunique() == 1
    row = {
        "label": items["category"].iloc[0] if same_category else items["series"].iloc[0] if same_series else name,
        "name": name,
        "series": items["series"].iloc[0],
        "category": items["category"].iloc[-1],
        "number": round(float(number), digits + 6),
        "unit": unit_of(items) if unit is None else unit,
        "decimals": digits,
        "printed": "",
        "ids": [identifier for ids in items["ids"] for identifier in ids],
    }
    return pd.DataFrame([row])


def stated(items: pd.DataFrame, number: float, name: str, decimals: int, unit: str = "") -> pd.DataFrame:
    """Return one number found in several items, under a name of its own: "the slope"."""
    row = {
        "label": name,
        "name": name,
        "series": items["series"].iloc[0],
        "category": items["category"].iloc[-1],
        "number": round(float(number), min(15, decimals + 6)),
        "unit": unit,
        "decimals": decimals,
        "printed": "",
        "ids": list(dict.fromkeys(identifier for ids in items["ids"] for identifier in ids)),
    }
    return pd.DataFrame([row])


def said(row: pd.DataFrame) -> str:
    """Return the number of the one item in a row as the text prints it."""
    return shown(row.iloc[0])


def digits_of(number: float, significant: int = 4) -> int:
    """Return the digits after the point that show a number to some significant ones."""
    if number == 0 or not math.isfinite(number):
        return 0
    return min(12, max(0, significant - 1 - math.floor(math.log10(abs(number)))))


def constant(number: float) -> pd.DataFrame:
    """Return a number of the question as an item; no value of the figure stands behind it."""
    decimals = len(f"{number:.10f}".rstrip("0").partition(".")[2])
    row = {"label": "", "name": "the number in the question", "series": "", "category": "", "number": number}
    return pd.DataFrame([{**row, "unit": "", "decimals": decimals, "printed": "", "ids": []}])


def unit_of(items: pd.DataFrame) -> str:
    """Return the one unit of the items."""
    units = [unit for unit in items["unit"].unique() if unit]
    if len(units) > 1:
        raise Unanswerable(f"the values have different units: {', '.join(units)}")
    return units[0] if units else ""


def listing(items: pd.DataFrame) -> str:
    """Return the names of the items in a few words."""
    names = list(items["name"])
    if len(names) > 3:
        return f"{names[0]} to {names[-1]}"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def is_equal(first: pd.Series, second: pd.Series) -> bool:
    """Return whether two numbers are the same to the digits that both are known to."""
    digits = max(int(first["decimals"]), int(second["decimals"]))
    return bool(abs(first["number"] - second["number"]) <= 0.5 * 10.0**-digits)


def is_greater(first: pd.Series, second: pd.Series) -> bool:
    """Return whether the first number is greater, arithmetic noise apart."""
    return bool(first["number"] - second["number"] > 1e-9 * max(1.0, abs(first["number"])))
