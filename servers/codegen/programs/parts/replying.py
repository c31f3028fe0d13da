"""Replying: from the items of an operation to the answer, a sentence and its shortest form."""

# mypy: disable-error-code="type-arg"

import pandas as pd  # type: ignore[import-untyped]  # stands in the runtime of programs only

from servers.codegen.programs.parts.making import (
    change,
    count,
    greatest,
    least,
    made,
    mean,
    percent_change,
    total,
    unit_of,
)
from servers.codegen.programs.parts.writing import Unanswerable, answered, short, shown, told, written


def reply_numbers(items: pd.DataFrame) -> dict:
    """Reply with the items' numbers."""
    if items.empty:
        raise Unanswerable("no value in the figure is like that")
    sentences = [f"{item['name']} is {shown(item)}" for _, item in items.iterrows()]
    text = "; ".join(sentences[:40])
    text = f"{text[0].upper()}{text[1:]}{' and more' if len(sentences) > 40 else ''}."
    return answered(text, ", ".join(short(item) for _, item in items.iterrows()), items)


def reply_names(items: pd.DataFrame, lead: str = "", with_numbers: bool = True) -> dict:
    """Reply with the items' names, their numbers beside them, after a word on what they have in common."""
    if items.empty:
        raise Unanswerable("no value in the figure is like that")
    names = [f"“{item['label']}”" + (f" ({shown(item)})" if with_numbers else "") for _, item in items.iterrows()]
    text = ", ".join(names[:40]) + (" and more" if len(names) > 40 else "") + "."
    return answered(f"{lead}: {text}" if lead else text, ", ".join(items["label"].unique()), items)


def reply_count(items: pd.DataFrame, all_items: pd.DataFrame) -> dict:
    """Reply with how many items there are."""
    if items.empty:
        none = count(all_items).assign(number=0.0, name="the count of values that are like that")
        return answered("There are 0 of them.", "0", none)
    number = count(items).iloc[0]
    names = ", ".join(f"“{label}”" for label in items["label"].unique()[:40])
    text = (
        f"There {'is' if len(items) == 1 else 'are'} {shown(number)}: {names}{' and more' if len(items) > 40 else ''}."
    )
    return answered(text, short(number), number.to_frame().T)


def reply_difference(items: pd.DataFrame) -> dict:
    """Reply with how far apart two items are, and which is greater."""
    first, second = two(items)
    gap = made(items.iloc[:2], abs(first["number"] - second["number"]), "the difference between")
    if gap["unit"].iloc[0] == "%":
        gap = gap.assign(unit="percentage points")
    step = gap.iloc[0]
    relation = "greater" if first["number"] > second["number"] else "less"
    text = f"The difference is {shown(step)}: {told(first)} is {relation} than "
    if first["number"] == second["number"]:
        text = f"The difference is {shown(step)}: {told(first)} equals "
    text += f"{told(second)}."
    return answered(text, short(step), pd.concat([gap, items.iloc[:2]], ignore_index=True))


def reply_ratio(items: pd.DataFrame) -> dict:
    """Reply with the first item divided by the second."""
    first, second = two(items)
    if second["number"] == 0:
        raise Unanswerable(f"{second['name']} is zero, so there is no ratio to it")
    quotient = first["number"] / second["number"]
    places = 4 if abs(quotient) >= 0.1 else 6
    ratio = made(items.iloc[:2], quotient, "the ratio of", unit="", decimals=places)
    text = f"{told(first)} is {shown(ratio.iloc[0])} times {told(second)}."
    return answered(f"{text[0].upper()}{text[1:]}", short(ratio.iloc[0]), pd.concat([ratio, items.iloc[:2]]))


def reply_share(items: pd.DataFrame) -> dict:
    """Reply with the first item as a part of the second, in percent."""
    part, whole = two(items)
    if whole["number"] == 0:
        raise Unanswerable(f"{whole['name']} is zero, so nothing is a part of it")
    share = made(items.iloc[:2], part["number"] / whole["number"] * 100, "the share of", unit="%", decimals=2)
    text = f"{told(part)} is {shown(share.iloc[0])} of {told(whole)}."
    return answered(f"{text[0].upper()}{text[1:]}", short(share.iloc[0]), pd.concat([share, items.iloc[:2]]))


def reply_shares(items: pd.DataFrame) -> dict:
    """Reply with each item as a part of all of them, in percent."""
    whole = total(items)
    if whole["number"].iloc[0] == 0:
        raise Unanswerable("they add up to zero, so nothing is a part of it")
    rows = []
    for place in range(len(items)):
        item = items.iloc[[place]]
        share = item["number"].iloc[0] / whole["number"].iloc[0] * 100
        ids = [[*item["ids"].iloc[0], *(name for name in whole["ids"].iloc[0] if name not in item["ids"].iloc[0])]]
        rows.append(item.assign(number=share, unit="%", decimals=2, printed="", ids=ids))
    shares = pd.concat(rows, ignore_index=True)
    text = ", ".join(f"“{share['label']}” {shown(share)}" for _, share in list(shares.iterrows())[:40])
    short_text = ", ".join(short(share) for _, share in shares.iterrows())
    return answered(f"Of {shown(whole.iloc[0])}: {text}.", short_text, pd.concat([shares, whole]))


def reply_growth(items: pd.DataFrame) -> dict:
    """Reply with the relative change from the first item to the second."""
    before, after = two(items)
    growth = percent_change(items.iloc[[0]], items.iloc[[1]])
    way = "rose" if after["number"] > before["number"] else "fell" if after["number"] < before["number"] else "stayed"
    text = f"It {way} from {shown(before)} ({before['name']}) to {shown(after)} ({after['name']}), "
    text += f"a change of {shown(growth.iloc[0])}."
    return answered(text, short(growth.iloc[0]), pd.concat([growth, items.iloc[:2]], ignore_index=True))


def reply_comparison(items: pd.DataFrame, by_name: bool, descending: bool = True) -> dict:
    """Reply with which item is greatest (or least), and by how much it leads."""
    unit_of(items)
    ordered = items.sort_values("number", ascending=not descending, kind="stable").reset_index(drop=True)
    first, second = two(ordered)
    if first["number"] == second["number"]:
        text = f"{told(first)} and {told(second)} are equal."
        return answered(text, "equal" if by_name else "0", ordered)
    gap = made(ordered.iloc[:2], abs(first["number"] - second["number"]), "the difference between").iloc[0]
    text = f"{told(first)} is {'greater' if descending else 'less'} than "
    text += f"{told(second)}, by {shown(gap)}."
    rows = pd.concat([gap.to_frame().T, ordered], ignore_index=True)
    return answered(text[0].upper() + text[1:], first["label"] if by_name else short(gap), rows)


def reply_verdict(holds: bool, items: pd.DataFrame) -> dict:
    """Reply with yes or no, and the two numbers that decide it."""
    first, second = two(items)
    unit_of(items)
    gap = made(items.iloc[:2], abs(first["number"] - second["number"]), "the difference between")
    size = written(gap["number"].iloc[0], gap["unit"].iloc[0], min(10, int(items["decimals"].max()) + 2))
    gap = gap.assign(decimals=min(10, int(items["decimals"].max()) + 2))
    relation = "greater" if first["number"] > second["number"] else "less"
    tail = f"{size} {relation} than" if first["number"] != second["number"] else "equal to"
    known = f" {shown(first)}," if first["ids"] else ""
    text = f"{'Yes' if holds else 'No'}: {first['name']} is{known} {tail} {told(second)}."
    rows = items if first["number"] == second["number"] else pd.concat([items, gap], ignore_index=True)
    return answered(text, "Yes" if holds else "No", rows)


def reply_trend(items: pd.DataFrame, column: str) -> dict:
    """Reply with how each series (or category) moves from its first value to its last."""
    sentences, directions, rows = [], [], []
    for _, group in items.groupby(column, sort=False):
        if len(group) < 2:
            continue
        ends, steps = group.iloc[[0, -1]], group["number"].diff().dropna()
        first, last = two(ends)
        step = change(group)
        direction = "increasing" if last["number"] > first["number"] else "decreasing"
        direction = "no change" if last["number"] == first["number"] else direction
        steady = bool((steps >= 0).all() or (steps <= 0).all())
        text = f"{first['name']} to {last['name']}: from {shown(first)} to {shown(last)}, {direction}"
        sentences.append(f"{text} {'all the way' if steady else 'with ups and downs'}")
        directions.append(direction)
        rows += [step, ends, greatest(group), least(group)]
        peak, low = rows[-2].iloc[0], rows[-1].iloc[0]
        sentences[-1] += f" (change {shown(step.iloc[0])}; highest {shown(peak)} for {peak['name']}, "
        sentences[-1] += f"lowest {shown(low)} for {low['name']})"
    if not rows:
        raise Unanswerable("a trend needs at least two values in a row")
    return answered("; ".join(sentences) + ".", ", ".join(dict.fromkeys(directions)), pd.concat(rows))


def reply_description(items: pd.DataFrame, title: str) -> dict:
    """Reply with what there is: each series with its extent, extremes and average."""
    sentences, rows = [], []
    for name, group in list(items.groupby("series", sort=False))[:12]:
        low, high, middle = least(group).iloc[0], greatest(group).iloc[0], mean(group).iloc[0]
        text = f"“{name}” runs from “{group['category'].iloc[0]}” to “{group['category'].iloc[-1]}”: "
        text += f"lowest {shown(low)} (“{low['category']}”), highest {shown(high)} (“{high['category']}”), "
        sentences.append(f"{text}average {shown(middle)}")
        rows += [pd.DataFrame([low]), pd.DataFrame([high]), pd.DataFrame([middle])]
    head = f"“{title}”. " if title else ""
    short_text = title or ", ".join(items["series"].unique())
    return answered(f"{head}{'; '.join(sentences)}."[:7500], short_text, pd.concat(rows, ignore_index=True))


def two(items: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the first two items."""
    if len(items) < 2:
        raise Unanswerable("it takes two values, and only one could be read")
    return items.iloc[0], items.iloc[1]
