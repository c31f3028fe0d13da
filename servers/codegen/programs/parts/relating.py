"""Relating: how two numbers of each item go together: correlation, the line through them."""

# mypy: disable-error-code="type-arg"

import re

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # stands in the runtime of programs only
from scipy import stats

from servers.codegen.programs.parts.making import digits_of, said, stated
from servers.codegen.programs.parts.timing import elapsed, timed
from servers.codegen.programs.parts.writing import Unanswerable, answered, shown

STRENGTHS = [(0.2, "very weak"), (0.4, "weak"), (0.6, "moderate"), (0.8, "strong"), (1.01, "very strong")]


def pairs_of(items: pd.DataFrame) -> pd.DataFrame:
    """Return the items with "at", the x they go with: a dot's own, else the time that the label says.

    Times count from the first item, in the unit of time that the items are apart.
    """
    is_dot = items["x_kind"].eq("number") & items["x"].notna()
    if is_dot.all():
        ids = [[*x_ids, *ids] for x_ids, ids in zip(items["x_ids"], items["ids"], strict=True)]
        return items.assign(at=items["x"], ids=ids)
    dated = timed(items)
    start = f"{dated['step'].iloc[0]}s since “{dated['category'].iloc[0]}”"
    return dated.assign(at=elapsed(dated), x_name=start)


def pairs_by_category(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Return pairs of the items with the same category: the first's number as x, the second's as y."""
    left, right = first.drop_duplicates("category"), second.drop_duplicates("category")
    both = right.merge(left[["category", "number", "ids", "series"]], on="category", suffixes=("", "_first"))
    if both.empty:
        raise Unanswerable("the two have no category in common")
    ids = [[*one, *other] for one, other in zip(both["ids_first"], both["ids"], strict=True)]
    return both.assign(at=both["number_first"], ids=ids, x_name=both["series_first"], x_kind="number")


def checked_pairs(pairs: pd.DataFrame, least: int) -> pd.DataFrame:
    """Return the pairs if there are enough of them and neither side stays the same."""
    if len(pairs) < least:
        raise Unanswerable(f"that takes at least {least} pairs of numbers, and there are {len(pairs)}")
    if pairs["at"].nunique() < 2 or pairs["number"].nunique() < 2:
        raise Unanswerable("one of the two does not vary, so nothing goes along with it")
    return pairs


def names_of(pairs: pd.DataFrame) -> tuple[str, str]:
    """Return what x and y are, quoted."""
    x_name = pairs["x_name"].iloc[0]
    several = pairs["series"].nunique() > 1
    return (x_name if "“" in x_name else f"“{x_name}”"), ("y" if several else f"“{pairs['series'].iloc[0]}”")


def reply_correlation(pairs: pd.DataFrame, reply: str) -> dict:
    """Reply with Pearson's r, Spearman's rho, their p-values and the number of pairs.

    Args:
      reply: the short answer: "pearson", "spearman", "p_value", "words" for how strong; yes or no to "verdict" (is it
        there), "positive" and "negative".
    """
    checked_pairs(pairs, 3)
    pearson, spearman = stats.pearsonr(pairs["at"], pairs["number"]), stats.spearmanr(pairs["at"], pairs["number"])
    x_name, y_name = names_of(pairs)
    r = stated(pairs, pearson.statistic, f"Pearson's r of {x_name} and {y_name}", 3)
    rho = stated(pairs, spearman.statistic, f"Spearman's rho of {x_name} and {y_name}", 3)
    p, rho_p = p_value(pairs, pearson.pvalue, "Pearson's r"), p_value(pairs, spearman.pvalue, "Spearman's rho")
    n = stated(pairs, len(pairs), "the number of pairs", 0)
    strength = next(word for limit, word in STRENGTHS if abs(pearson.statistic) < limit)
    words = f"{strength} {'positive' if pearson.statistic > 0 else 'negative'}"
    is_clear = pearson.pvalue < 0.05
    text = f"Over {said(n)} pairs of {x_name} and {y_name}, Pearson's r is {said(r)} ({told_p(p)}): "
    text += f"a {words} linear relation"
    text += "" if is_clear else ", which chance alone would often give"
    text += f". Spearman's rho, of the ranks, is {said(rho)} ({told_p(rho_p)})."
    short_text = {
        "pearson": said(r),
        "spearman": said(rho),
        "p_value": told_p(p).removeprefix("p = ").removeprefix("p "),
        "verdict": "Yes" if is_clear else "No",
        "positive": "Yes" if is_clear and pearson.statistic > 0 else "No",
        "negative": "Yes" if is_clear and pearson.statistic < 0 else "No",
        "words": words if is_clear else "none that is clear",
    }[reply]
    rows = [r, p, rho, rho_p, n]
    groups = [
        group for _, group in pairs.groupby("series", sort=False) if len(group) >= 3 and group["number"].nunique() > 1
    ]
    if len(groups) > 1:
        each = [
            stated(group, stats.pearsonr(group["at"], group["number"]).statistic, group["series"].iloc[0], 3)
            for group in groups
        ]
        told = [f"“{row['label'].iloc[0]}” {said(row)}" for row in each]
        text += f" By series: {', '.join(told)}."
        rows += each
    return answered(text, short_text, pd.concat(rows))


def p_value(pairs: pd.DataFrame, number: float, of: str) -> pd.DataFrame:
    """Return a p-value as a number of the answer; below 0.0001 that bound stands for it."""
    if number < 0.0001:
        return stated(pairs, 0.0001, f"upper bound of the p-value of {of}", 4)
    return stated(pairs, number, f"p-value of {of}", digits_of(number, 2))


def told_p(row: pd.DataFrame) -> str:
    """Return a p-value as the text has it."""
    return f"p {'<' if row['name'].iloc[0].startswith('upper') else '='} {said(row)}"


def line_of(pairs: pd.DataFrame) -> tuple[float, float]:
    """Return slope and intercept of the straight line through the pairs, by least squares."""
    line = stats.linregress(pairs["at"], pairs["number"])
    return float(line.slope), float(line.intercept)


def off_line(pairs: pd.DataFrame) -> pd.Series:
    """Return how far above the line each pair lies."""
    slope, intercept = line_of(pairs)
    return pairs["number"] - (intercept + slope * pairs["at"])


def reply_fit(pairs: pd.DataFrame, reply: str, x: float | None = None) -> dict:
    """Reply with the straight line by least squares.

    Args:
      reply: the short answer: "equation", "slope", "intercept", "r_squared", "residual" or "prediction".
      x: where the prediction reads the line.
    """
    checked_pairs(pairs, 3)
    slope, intercept = line_of(pairs)
    rest = off_line(pairs)
    spread = ((pairs["number"] - pairs["number"].mean()) ** 2).sum()
    x_name, y_name = names_of(pairs)
    unit, step = pairs["unit"].iloc[0], x_name.partition("s since")[0] if "s since" in x_name else ""
    found = {
        "slope": stated(pairs, slope, f"slope of {y_name} over {x_name}", digits_of(slope), unit),
        "intercept": stated(pairs, intercept, f"intercept of {y_name} over {x_name}", digits_of(intercept), unit),
        "r_squared": stated(pairs, 1 - (rest**2).sum() / spread, "R², the part of the variance explained", 3),
        "residual": stated(
            pairs,
            np.sqrt((rest**2).mean()),
            "root mean square distance from the line",
            digits_of(float(np.sqrt((rest**2).mean()))),
            unit,
        ),
        "n": stated(pairs, len(pairs), "the number of points", 0),
    }
    told = {name: said(row) for name, row in found.items()}
    equation = (
        f"{y_name} = {told['intercept']} {'+' if slope >= 0 else '−'} {told['slope'].replace('-', '', 1)} × {x_name}"
    )
    text = f"The straight line through {told['n']} points, by least squares, is {equation}"
    if step:
        text = f"On the straight line through {told['n']} values, by least squares, {y_name} "
        text += f"{'rises' if slope >= 0 else 'falls'} by {told['slope'].replace('-', '', 1)} a {step}"
    text += f" (R² {told['r_squared']}; root mean square distance {told['residual']}; intercept {told['intercept']})."
    short_text = equation.replace("“", "").replace("”", "") if reply == "equation" else told.get(reply, "")
    if reply == "prediction" and x is not None:
        at_x = stated(pairs, intercept + slope * x, "the line's value there", digits_of(intercept + slope * x), unit)
        place = stated(pairs, x, "x in the question", digits_of(x, 12))
        found |= {"prediction": at_x, "x": place}
        outside = not pairs["at"].min() <= x <= pairs["at"].max()
        text += f" At {said(place)} it gives {said(at_x)}"
        text += "; that lies outside the points, so it is an extrapolation." if outside else "."
        short_text = said(at_x)
    return answered(text, short_text, pd.concat(list(found.values())))


def reply_farthest(pairs: pd.DataFrame, count: int = 1) -> dict:
    """Reply with the points farthest from the straight line by least squares."""
    checked_pairs(pairs, 3)
    rest = off_line(pairs)
    order = rest.abs().sort_values(ascending=False, kind="stable").index[:count]
    sentences, rows = [], []
    for place in order:
        pair = pairs.loc[[place]]
        distance = stated(
            pair, rest[place], f"distance of {spot(pair)} from the line", digits_of(rest[place]), pair["unit"].iloc[0]
        )
        distance = distance.assign(ids=[stated(pairs, 0, "", 0)["ids"].iloc[0]])
        sentences.append(
            f"{spot(pair)} is {said(distance).replace('-', '', 1)} {'above' if rest[place] > 0 else 'below'} it"
        )
        rows += [distance, pair, x_of(pair)]
    text = f"Farthest from the straight line by least squares: {'; '.join(sentences)}."
    return answered(
        text, ", ".join(spot(pairs.loc[[place]]).replace("“", "").replace("”", "") for place in order), pd.concat(rows)
    )


def spot(pair: pd.DataFrame) -> str:
    """Return a point in words: its label, or its x and y where the label is no more than its x."""
    point = pair.iloc[0]
    if time_or_name(point):
        return f"“{point['category']}”"
    return f"({said(x_of(pair))}, {shown(point)})"


def time_or_name(point: pd.Series) -> bool:
    """Return whether a point has a name of its own, not just its x."""
    return point["x_kind"] != "number" or not re.match(r"[-−]?\d", str(point["category"]))


def x_of(pair: pd.DataFrame) -> pd.DataFrame:
    """Return a point's x as a number of the answer."""
    return stated(pair, pair["at"].iloc[0], pair["x_name"].iloc[0], digits_of(pair["at"].iloc[0]))
