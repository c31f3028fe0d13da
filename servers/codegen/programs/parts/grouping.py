"""Grouping: what stands apart from the rest, and how many groups dots make."""

# mypy: disable-error-code="type-arg"

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # stands in the runtime of programs only
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist

from servers.codegen.programs.parts.making import said, stated
from servers.codegen.programs.parts.relating import checked_pairs, off_line, pairs_of, spot, x_of
from servers.codegen.programs.parts.writing import Unanswerable, answered, shown


def beyond_fences(numbers: pd.Series) -> pd.Series:
    """Return which numbers lie more than one and a half interquartile ranges outside the quartiles (Tukey 1977)."""
    low, high = numbers.quantile(0.25), numbers.quantile(0.75)
    reach = 1.5 * (high - low)
    return (numbers < low - reach) | (numbers > high + reach)


def reply_outliers(items: pd.DataFrame, reply: str) -> dict:
    """Reply with the items that stand apart: off the line where they have an x, else by their number.

    Args:
      reply: the short answer: "names", "count" or "verdict" (yes or no).
    """
    is_dot = bool((items["x_kind"].eq("number") & items["x"].notna()).all())
    found = pairs_of(items) if is_dot else items.assign(at=0.0)
    if len(found) < 4:
        raise Unanswerable(f"outliers take at least 4 values, and there are {len(found)}")
    apart = found[beyond_fences(off_line(found) if is_dot else found["number"])]
    n = stated(apart if len(apart) else found, len(apart), "the number of outliers", 0)
    n = n.assign(ids=[stated(found, 0, "", 0)["ids"].iloc[0]])
    measure = "their distance from the straight line by least squares" if is_dot else "their number"
    text = f"By {measure}, {said(n)} {'stands' if len(apart) == 1 else 'stand'} more than one and a half "
    text += "interquartile ranges outside the quartiles"
    spots = [
        spot(apart.iloc[[place]]) if is_dot else f"{apart['name'].iloc[place]} ({shown(apart.iloc[place])})"
        for place in range(len(apart))
    ]
    text += f": {', '.join(spots[:40])}." if spots else "."
    names = [name.replace("“", "").replace("”", "") for name in spots] if is_dot else list(apart["label"])
    short_text = {
        "names": ", ".join(names) or "none",
        "count": str(len(apart)),
        "verdict": "Yes" if len(apart) else "No",
    }[reply]
    rows = [n, apart, *[x_of(apart.iloc[[place]]) for place in range(len(apart)) if is_dot]]
    return answered(text, short_text, pd.concat(rows[:500]))


def reply_drawn_outliers(values: pd.DataFrame, groups: list[str], reply: str) -> dict:
    """Reply with the points that a box plot draws apart from its boxes, by box.

    Args:
      groups: the boxes asked about; none means all.
      reply: the short answer: "count", "verdict" (yes or no), "values", "names", or the box with "most" or "fewest".
    """
    boxes = values[values["series"] != "outlier"].dropna(subset=["number"])
    boxes = boxes[boxes["category"].isin(groups)] if groups else boxes
    points = values[values["series"] == "outlier"].dropna(subset=["number"])
    points = points.assign(group=points["category"].map(group_of), ids=[[name] for name in points["id"]])
    counts, rows = {}, []
    for name, box in boxes.groupby("category", sort=False):
        own = points[points["group"] == name]
        counts[name] = len(own)
        evidence = (own if len(own) else box).assign(ids=[[one] for one in (own if len(own) else box)["id"]])
        rows.append(stated(evidence, len(own), f"outliers of “{name}”", 0))
        rows.append(own.assign(name=f"outlier of “{name}”", label=name))
    if not counts:
        raise Unanswerable("no box could be read")
    found = pd.concat(rows, ignore_index=True)
    told = [f"“{name}” has {count}" for name, count in counts.items()]
    at = [
        f"“{point['label']}” {shown(point)}"
        for _, point in found[found["name"].str.startswith("outlier of")].iterrows()
    ]
    total = stated(found, sum(counts.values()), "the number of outliers", 0)
    text = f"{said(total)} {'point stands' if sum(counts.values()) == 1 else 'points stand'} apart from the boxes: "
    text += f"{', '.join(told[:40])}{'; at ' if at else ''}{', '.join(at[:40])}."
    most, fewest = max(counts.values()), min(counts.values())
    short_text = {
        "count": str(sum(counts.values())),
        "verdict": "Yes" if sum(counts.values()) else "No",
        "values": ", ".join(shown(point) for _, point in found.iterrows() if point["name"].startswith("outlier of"))
        or "none",
        "names": ", ".join(name for name, count in counts.items() if count) or "none",
        "most": ", ".join(name for name, count in counts.items() if count == most) if most else "none",
        "fewest": ", ".join(name for name, count in counts.items() if count == fewest),
    }[reply]
    return answered(text, short_text, pd.concat([total, found], ignore_index=True))


def group_of(category: str) -> str:
    """Return the box that an outlier belongs to: its category without the number that tells several apart."""
    name, _, copy = category.rpartition(" (")
    return name if copy[:-1].isdecimal() and copy.endswith(")") else category


def reply_clusters(pairs: pd.DataFrame) -> dict:
    """Reply with how many groups the dots make: Ward's clustering, cut where the mean silhouette is greatest.

    Below a silhouette of one half the dots count as one group (Kaufman & Rousseeuw 1990).
    """
    checked_pairs(pairs, 5)
    dots = pairs[["at", "number"]].to_numpy(float)
    dots = (dots - dots.mean(axis=0)) / dots.std(axis=0)
    tree = linkage(dots, "ward")
    scores = {k: silhouette(dots, fcluster(tree, k, "maxclust")) for k in range(2, min(8, len(dots) - 1) + 1)}
    best = max(scores, key=lambda k: scores[k])
    number = best if scores[best] >= 0.5 else 1
    row = stated(pairs, number, "the number of groups", 0)
    score = stated(pairs, scores[best], "the mean silhouette of the best split", 2)
    text = f"The dots make {said(row)} {'group' if number == 1 else 'groups'} by Ward's clustering of x and y, each "
    text += (
        f"scaled by its standard deviation; the mean silhouette of the best split is {said(score)}, and below one half "
    )
    text += "all count as one."
    return answered(text, str(number), pd.concat([row, score]))


def silhouette(dots: np.ndarray, groups: np.ndarray) -> float:
    """Return the mean silhouette of a split: near 1 where groups are apart, near 0 where they touch."""
    far = cdist(dots, dots)
    names = np.unique(groups)
    if len(names) < 2:
        return -1.0
    sums = np.stack([far[:, groups == name].sum(axis=1) for name in names], axis=1)
    sizes = np.array([(groups == name).sum() for name in names])
    own = np.searchsorted(names, groups)
    rows = np.arange(len(dots))
    within = sums[rows, own] / np.maximum(1, sizes[own] - 1)
    means = sums / sizes
    means[rows, own] = np.inf
    outside = means.min(axis=1)
    return float(np.where(sizes[own] > 1, (outside - within) / np.maximum(within, outside), 0.0).mean())
