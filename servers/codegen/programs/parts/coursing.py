"""Coursing: how numbers run over time: steady growth, the deepest fall, moving averages, seasons, crossings, shifts."""

# mypy: disable-error-code="type-arg"

from itertools import pairwise

import pandas as pd  # type: ignore[import-untyped]  # stands in the runtime of programs only

from servers.codegen.programs.parts.making import digits_of, percent_change, said, stated
from servers.codegen.programs.parts.timing import MONTHS, STEPS, is_even, timed
from servers.codegen.programs.parts.writing import Unanswerable, answered, shown


def reply_compound_growth(items: pd.DataFrame) -> dict:
    """Reply with the growth a unit of time that leads from the first item to the last when it is always the same."""
    dated = timed(items)
    first, last = dated.iloc[0], dated.iloc[-1]
    if first["number"] <= 0 or last["number"] <= 0:
        raise Unanswerable("compound growth takes a start and an end above zero")
    years = last["time"] - first["time"]
    unit = "year" if years >= 1 else dated["step"].iloc[0]
    count = round(years / STEPS[unit], 6)
    ends = dated.iloc[[0, -1]]
    rate = stated(
        ends, ((last["number"] / first["number"]) ** (1 / count) - 1) * 100, f"compound growth a {unit}", 2, "%"
    )
    periods = stated(ends, count, f"{unit}s", digits_of(count))
    text = f"From {shown(first)} ({first['name']}) to {shown(last)} ({last['name']}) in {said(periods)} {unit}s: "
    text += f"{said(rate)} a {unit}, compounded, (last / first) to the power of one over the {unit}s, less one."
    return answered(text, said(rate), pd.concat([rate, periods, ends]))


def reply_drawdown(items: pd.DataFrame) -> dict:
    """Reply with the greatest fall from an item to a later one, of each series the deepest."""
    falls = []
    for _, group in items.groupby("series", sort=False):
        course = group.reset_index(drop=True)
        fall = course["number"] - course["number"].cummax()
        if fall.min() < 0:
            low = int(fall.idxmin())
            falls.append((fall.min(), course.loc[[course["number"].iloc[: low + 1].idxmax()]], course.loc[[low]]))
    if not falls:
        raise Unanswerable("no value is followed by a lower one")
    depth, peak, trough = min(falls, key=lambda fall: fall[0])
    ends = pd.concat([peak, trough], ignore_index=True)
    drop = stated(ends, -depth, "fall from peak to trough", int(ends["decimals"].max()), ends["unit"].iloc[0])
    rows = [drop, ends]
    text = f"The deepest fall runs from {said(peak)} ({peak['name'].iloc[0]}) to {said(trough)} "
    text += f"({trough['name'].iloc[0]}): {said(drop)}"
    if peak["number"].iloc[0] > 0:
        relative = percent_change(peak, trough)
        text += f", a change of {said(relative)}"
        rows.append(relative)
    return answered(f"{text}.", said(drop).replace(",", ""), pd.concat(rows))


def reply_moving_average(items: pd.DataFrame, window: int, at: str = "") -> dict:
    """Reply with the mean of each run of neighbours, dated by its last item.

    Args:
      at: the item whose mean is the short answer; empty for the last.
    """
    sentences, short_text, rows = [], "", []
    for _, group in items.groupby("series", sort=False):
        course = group.reset_index(drop=True)
        for end in range(window - 1, len(course)):
            run = course.iloc[end - window + 1 : end + 1]
            row = stated(
                run,
                run["number"].mean(),
                f"mean of the run that ends with {run['name'].iloc[-1]}",
                int(run["decimals"].max()) + 2,
                run["unit"].iloc[0],
            )
            rows.append(row)
            sentences.append(f"“{course['category'].iloc[end]}” {said(row)}")
            if at in ("", course["category"].iloc[end]):
                short_text = said(row).replace(",", "")
    if not short_text:
        raise Unanswerable("there are fewer values before it than the average runs over")
    size = stated(items, window, "values in a run", 0)
    text = f"Means of {said(size)} values in a row, by the last of them: {', '.join(sentences[:60])}."
    return answered(text, short_text, pd.concat([*rows, size]))


def reply_seasonality(items: pd.DataFrame) -> dict:
    """Reply with how each month (or quarter) stands to the mean of its year, over two years or more."""
    dated = timed(items)
    step = dated["step"].iloc[0]
    if step not in ("month", "quarter") or not is_even(dated):
        raise Unanswerable("seasons take values for each month or quarter in a row")
    a_year = round(1 / STEPS[step])
    if len(dated) < 2 * a_year:
        raise Unanswerable("seasons take two years or more, to tell them from chance")
    # A centred mean over one year takes trend and season apart (classical decomposition).
    around = dated["number"].rolling(a_year + 1, center=True, min_periods=a_year).apply(year_mean)
    season = (((dated["time"] % 1) * a_year).round() % a_year).astype(int)
    names = [month.capitalize() for month in MONTHS] if step == "month" else ["Q1", "Q2", "Q3", "Q4"]
    off = (dated["number"] - around).groupby(season).mean().dropna()
    high, low = int(off.idxmax()), int(off.idxmin())
    rest = (dated["number"] - around - season.map(off)).dropna()
    whole = (dated["number"] - around).dropna()
    strength = stated(
        dated,
        max(0.0, 1 - rest.var() / whole.var()) if whole.var() else 0.0,
        "part of the swings that repeats each year",
        2,
    )
    unit = dated["unit"].iloc[0]
    highest = stated(dated, off[high], f"{names[high]} above the mean of its year", digits_of(off[high]), unit)
    lowest = stated(dated, off[low], f"{names[low]} below the mean of its year", digits_of(off[low]), unit)
    is_clear = strength["number"].iloc[0] >= 0.5
    text = f"{'There is' if is_clear else 'There is no clear'} yearly pattern: against the centred mean of a year, "
    text += f"“{names[high]}” stands highest ({said(highest)}) and “{names[low]}” lowest ({said(lowest)}). "
    text += f"The part of the swings that repeats each year is {said(strength)}, of at most one."
    return answered(
        text,
        f"{'Yes' if is_clear else 'No'}, highest in {names[high]}, lowest in {names[low]}",
        pd.concat([highest, lowest, strength]),
    )


def year_mean(run: pd.Series) -> float:
    """Return the mean of a year's values, of a run that is one longer the two ends counted half."""
    if len(run) % 2 == 0:
        return float(run.mean())
    weights = pd.Series(1.0, index=run.index)
    weights.iloc[[0, -1]] = 0.5
    return float((run * weights).sum() / weights.sum())


def reply_crossings(first: pd.DataFrame, second: pd.DataFrame, reply: str) -> dict:
    """Reply with where the first course crosses the second: between which items, and at what height on straight pieces.

    Args:
      reply: the short answer: "places" or "count".
    """
    both = first.merge(second, on="category", suffixes=("", "_second"))
    if len(both) < 2:
        raise Unanswerable("the two have fewer than two categories in common")
    gap = both["number"] - both["number_second"]
    ids = [[*one, *other] for one, other in zip(both["ids"], both["ids_second"], strict=True)]
    both = both.assign(ids=ids)
    names = f"“{both['series'].iloc[0]}” and “{both['series_second'].iloc[0]}”"
    sentences, labels, rows = [], [], []
    signed = [place for place in range(len(both)) if gap[place] != 0]
    for before, after in pairwise(signed):
        if (gap[before] > 0) == (gap[after] > 0):
            continue
        ends = both.loc[[before, after]]
        met = before + 1 if after - before == 2 else None
        part = gap[before] / (gap[before] - gap[after])
        height = (
            both["number"][met]
            if met
            else both["number"][before] + part * (both["number"][after] - both["number"][before])
        )
        row = stated(ends, height, "height of the crossing", int(ends["decimals"].max()) + 1, ends["unit"].iloc[0])
        rows.append(row)
        start, end = both["category"][before], both["category"][after]
        where = f"at “{both['category'][met]}”" if met else f"between “{start}” and “{end}”"
        labels.append(both["category"][met] if met else f"{start} to {end}")
        sentences.append(
            f"{where}, at about {said(row)}, “{both['series'].iloc[0]}” {'falling' if gap[before] > 0 else 'rising'}"
        )
    n = stated(both, len(labels), "the number of crossings", 0)
    text = f"{names} cross {said(n)} {'time' if len(labels) == 1 else 'times'}"
    text = f"{text}: {'; '.join(sentences)}." if labels else f"{text}."
    short_text = (
        str(len(labels))
        if reply == "count"
        else "Yes"
        if reply == "verdict" and labels
        else "No"
        if reply == "verdict"
        else ", ".join(labels) or "never"
    )
    return answered(text, short_text, pd.concat([n, *rows]))


def reply_shift(items: pd.DataFrame) -> dict:
    """Reply with the split of the items into two runs whose means leave the least sum of squares."""
    numbers = items["number"].reset_index(drop=True)
    if len(numbers) < 6:
        raise Unanswerable("a change of level takes six values or more")
    left = {
        place: ((numbers[:place] - numbers[:place].mean()) ** 2).sum()
        + ((numbers[place:] - numbers[place:].mean()) ** 2).sum()
        for place in range(2, len(numbers) - 1)
    }
    place = min(left, key=lambda one: left[one])
    decimals, unit = int(items["decimals"].max()) + 1, items["unit"].iloc[0]
    before = stated(items.iloc[:place], numbers[:place].mean(), "mean before", decimals, unit)
    after = stated(items.iloc[place:], numbers[place:].mean(), "mean after", decimals, unit)
    text = (
        f"The level changed most with {items['name'].iloc[place]}: a mean of {said(before)} before it, {said(after)} "
    )
    text += "from then on (the split into two means that leaves the least sum of squares)."
    return answered(text, str(items["category"].iloc[place]), pd.concat([before, after]))
