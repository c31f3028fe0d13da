"""Distributing: what the bins of a histogram say. Values are taken as evenly spread inside their bin."""

# mypy: disable-error-code="type-arg"

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # stands in the runtime of programs only

from servers.codegen.programs.parts.making import digits_of, said, stated
from servers.codegen.programs.parts.writing import Unanswerable, answered, shown


def bins_of(items: pd.DataFrame) -> pd.DataFrame:
    """Return the bins from left to right, with "weight", the count in each; a density is turned back into counts."""
    bins = items.dropna(subset=["x", "x_end"]).sort_values("x", kind="stable").reset_index(drop=True)
    if bins.empty:
        raise Unanswerable("the edges of the bins could not be read")
    is_density = bins["series"].str.contains("density", case=False).any()
    width = bins["x_end"] - bins["x"] if is_density else 1.0
    ids = [[*edges, *own] for edges, own in zip(bins["x_ids"], bins["ids"], strict=True)]
    return bins.assign(weight=bins["number"].clip(lower=0) * width, ids=ids)


def reply_distribution(items: pd.DataFrame, reply: str, low: float | None = None, high: float | None = None) -> dict:
    """Reply with what the bins say.

    Args:
      reply: the short answer: "summary", "mode", "mean", "median", "count", "share", "skew" or "deviation".
      low, high: the stretch that a count or a share is of; None is open.
    """
    bins = bins_of(items)
    if bins["weight"].sum() <= 0:
        raise Unanswerable("the bins hold nothing")
    if reply in ("share", "count") and (low is not None or high is not None):
        return reply_stretch(bins, reply, low, high)
    found = moments(bins)
    told = {name: said(row) for name, row in found.items()}
    fullest = bins.loc[[bins["weight"].idxmax()]]
    edges = [
        stated(fullest, fullest[side].iloc[0], f"{word} edge of the fullest bin", digits_of(fullest[side].iloc[0]))
        for side, word in (("x", "lower"), ("x_end", "upper"))
    ]
    mode = f"{shown(edges[0].iloc[0])} to {shown(edges[1].iloc[0])}"
    tail = (
        "right"
        if found["skewness"]["number"].iloc[0] > 0.1
        else "left"
        if found["skewness"]["number"].iloc[0] < -0.1
        else "neither side"
    )
    sentences = {
        "mode": f"The fullest bin is {mode}, with {said(fullest)}",
        "mean": f"the mean is about {told['mean']}",
        "median": f"the median about {told['median']}",
        "deviation": f"the standard deviation about {told['deviation']}",
        "skew": f"the longer tail is on {'the ' if tail != 'neither side' else ''}{tail} (skewness {told['skewness']})",
        "count": f"the bins hold {told['count']} altogether",
    }
    text = "; ".join(sentences.values()) + ". Estimated from the bins, values taken as evenly spread inside each."
    skewed = {"right": "right-skewed", "left": "left-skewed"}.get(tail, "symmetric")
    short_text = {
        "mode": mode,
        "skew": skewed,
        "summary": mode,
        **{name: told[name].replace(",", "") for name in ("mean", "median", "count", "deviation")},
    }[reply]
    return answered(text, short_text, pd.concat([*edges, fullest, *found.values()]))


def moments(bins: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return mean, median, standard deviation, skewness and total of binned values."""
    weight, middle = bins["weight"], (bins["x"] + bins["x_end"]) / 2
    # Inside a bin of width w, evenly spread values have a variance of w²/12.
    inner = (bins["x_end"] - bins["x"]) ** 2 / 12
    mean = float(np.average(middle, weights=weight))
    variance = float(np.average((middle - mean) ** 2 + inner, weights=weight))
    third = float(np.average((middle - mean) ** 3 + 3 * (middle - mean) * inner, weights=weight))
    skewness = third / variance**1.5 if variance > 0 else 0.0
    decimals = int(bins["decimals"].max())
    estimates = {"mean": mean, "median": quantile(bins, 0.5), "deviation": float(np.sqrt(variance))}
    words = {"mean": "mean", "median": "median", "deviation": "standard deviation"}
    found = {
        name: stated(bins, number, f"estimated {words[name]}", digits_of(number)) for name, number in estimates.items()
    }
    found["skewness"] = stated(bins, skewness, "skewness", 2)
    found["count"] = stated(bins, weight.sum(), "total of the bins", decimals, bins["unit"].iloc[0])
    return found


def quantile(bins: pd.DataFrame, part: float) -> float:
    """Return the value below which a part of all lies, by linear interpolation inside its bin."""
    below = bins["weight"].cumsum()
    wanted = part * below.iloc[-1]
    place = int((below >= wanted).idxmax())
    inside = bins.loc[place]
    rest = wanted - (below[place] - inside["weight"])
    return float(inside["x"] + (inside["x_end"] - inside["x"]) * (rest / inside["weight"] if inside["weight"] else 0.0))


def reply_stretch(bins: pd.DataFrame, reply: str, low: float | None, high: float | None) -> dict:
    """Reply with how many, or what share, lie in a stretch; a bin that an end cuts counts by the part inside."""
    left = bins["x"].clip(lower=-np.inf if low is None else low)
    right = bins["x_end"].clip(upper=np.inf if high is None else high)
    inside = ((right - left) / (bins["x_end"] - bins["x"])).clip(lower=0, upper=1)
    part, whole = float((bins["weight"] * inside).sum()), float(bins["weight"].sum())
    is_cut = bool(((inside > 0) & (inside < 1)).any())
    decimals = int(bins["decimals"].max())
    amount = stated(bins, part, "number in the stretch", decimals + is_cut, bins["unit"].iloc[0])
    total = stated(bins, whole, "total of the bins", decimals, bins["unit"].iloc[0])
    share = stated(bins, part / whole * 100, "share in the stretch", 2, "%")
    ends = [stated(bins, end, "end of the stretch", digits_of(end, 12)) for end in (low, high) if end is not None]
    told = [said(end) for end in ends]
    stretch = (
        f"between {told[0]} and {told[1]}" if len(told) == 2 else f"{'below' if low is None else 'above'} {told[0]}"
    )
    text = f"{said(amount)} of {said(total)} lie {stretch}, {said(share)}"
    text += "; the bin that is cut counts by the part inside, its values taken as evenly spread." if is_cut else "."
    short_text = shown((share if reply == "share" else amount).iloc[0]).replace(",", "")
    return answered(text[0].upper() + text[1:], short_text, pd.concat([amount, total, share, *ends]))
