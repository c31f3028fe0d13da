"""Joining: two rows of items, of one figure or of two, put side by side by category."""

from collections.abc import Callable

import pandas as pd  # type: ignore[import-untyped]  # stands in the runtime of programs only

from servers.codegen.programs.parts.making import digits_of, stated, unit_of
from servers.codegen.programs.parts.writing import Unanswerable


def joined_by(
    first: pd.DataFrame, second: pd.DataFrame, combine: Callable[[pd.DataFrame], pd.DataFrame]
) -> pd.DataFrame:
    """Return one item for each category that both have, made of the two; categories match without regard to case."""
    keys = {key_of(category): place for place, category in enumerate(second["category"])}
    rows = []
    for place, category in enumerate(first["category"]):
        if key_of(category) in keys:
            pair = pd.concat([first.iloc[[place]], second.iloc[[keys[key_of(category)]]]], ignore_index=True)
            rows.append(combine(pair).assign(label=category, category=category))
    if not rows:
        raise Unanswerable("the two have no category in common")
    return pd.concat(rows, ignore_index=True)


def key_of(category: str) -> str:
    """Return a category as it is compared: lower case, letters and digits only."""
    return "".join(letter for letter in category.lower() if letter.isalnum())


def quotient(pair: pd.DataFrame) -> pd.DataFrame:
    """Return the first item divided by the second."""
    first, second = pair.iloc[0], pair.iloc[1]
    if second["number"] == 0:
        raise Unanswerable(f"{second['name']} is zero, so there is no ratio to it")
    ratio = first["number"] / second["number"]
    return stated(pair, ratio, f"the ratio at “{first['category']}”", digits_of(ratio))


def gap_between(pair: pd.DataFrame) -> pd.DataFrame:
    """Return the first item less the second."""
    gap = pair["number"].iloc[0] - pair["number"].iloc[1]
    decimals = int(pair["decimals"].max())
    return stated(pair, gap, f"the difference at “{pair['category'].iloc[0]}”", decimals, unit_of(pair))


def part_of(pair: pd.DataFrame) -> pd.DataFrame:
    """Return the first item as a part of the second, in percent."""
    share = quotient(pair)["number"].iloc[0] * 100
    return stated(pair, share, f"the share at “{pair['category'].iloc[0]}”", 2, "%")
