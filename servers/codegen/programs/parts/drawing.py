"""Drawing: the figure again, what the answer stands on in a strong colour. The same values give the same bytes."""

import matplotlib
import pandas as pd  # type: ignore[import-untyped]  # stands in the runtime of programs only
from matplotlib.axes import Axes
from matplotlib.figure import Figure

STRONG, PALE = "#d1495b", "#b8c4cc"
COLOURS = ["#30638e", "#edae49", "#66a182", "#8d96a3", "#7d5ba6", "#003d5b", "#c08497", "#a1c181"]


def draw(values: pd.DataFrame, used: list[str], title: str, path: str, kind: str) -> None:
    """Draw a figure's values as a PNG file of 800 by 500 pixels.

    Args:
      used: ids of the values to draw in a strong colour; all or none of them leaves the colours as they are.
      kind: "bar", "horizontal", "stacked", "line", "pie" or "scatter".
    """
    figure, axes = canvas(title)
    names = list(values["category"].unique())
    is_used = values["id"].isin(used)
    highlight = bool(is_used.any() and not is_used.all())
    values = values.assign(place=values["category"].map({name: place for place, name in enumerate(names)}))
    values = values.assign(is_used=is_used & highlight).dropna(subset=["number"])
    groups = list(values.groupby("series", sort=False))
    base = dict.fromkeys(range(len(names)), 0.0)
    width = 0.8 / max(1, len(groups))
    for index, (name, group) in enumerate(groups):
        colour = COLOURS[index % len(COLOURS)]
        if kind == "pie":
            colours = [COLOURS[place % len(COLOURS)] for place in group["place"]]
            colours = [STRONG if mark else PALE for mark in group["is_used"]] if highlight else colours
            labels = [shortened(label) for label in group["category"]]
            axes.pie(group["number"].clip(lower=0), labels=labels, colors=colours, startangle=90)
            break
        colours = [STRONG if mark else colour for mark in group["is_used"]]
        sides = group["place"] - 0.4 + width * (index + 0.5)
        if kind == "line":
            axes.plot(group["place"], group["number"], color=colour, label=shortened(name))
            axes.scatter(group["place"], group["number"], color=colours, s=20, zorder=3)
        elif kind == "scatter":
            axes.scatter(group["x"], group["number"], color=colours, label=shortened(name))
        elif kind == "stacked":
            bottoms = [base[place] for place in group["place"]]
            axes.bar(group["place"], group["number"], bottom=bottoms, color=colours, label=shortened(name))
            base.update(
                {place: base[place] + number for place, number in zip(group["place"], group["number"], strict=True)}
            )
        elif kind == "horizontal":
            axes.barh(sides, group["number"], height=width, color=colours, label=shortened(name))
        else:
            axes.bar(sides, group["number"], width=width, color=colours, label=shortened(name))
    if kind != "pie":
        label_axes(axes, names, kind)
        if len(groups) > 1:
            axes.legend(fontsize=8, ncols=min(3, len(groups)))
    save(figure, path)


def draw_plain(values: pd.DataFrame, title: str, path: str) -> None:
    """Draw a figure's values as plain bars, one beside the other."""
    figure, axes = canvas(title)
    axes.bar(range(len(values)), values["number"].fillna(0.0), color=PALE)
    save(figure, path)


def draw_text(text: str, path: str) -> None:
    """Draw a line of text in place of a chart."""
    figure, axes = canvas("")
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center")
    save(figure, path)


def canvas(title: str) -> tuple[Figure, Axes]:
    """Return an empty chart with its title."""
    matplotlib.rcParams["font.family"] = "DejaVu Sans"
    figure = Figure(figsize=(8, 5), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(plain(title)[:90])
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def label_axes(axes: Axes, names: list[str], kind: str) -> None:
    """Put the names of the categories along their axis, at most about 25 of them."""
    step = max(1, -(-len(names) // 25))
    labels = [shortened(name) for name in names[::step]]
    places = list(range(0, len(names), step))
    if kind == "horizontal":
        axes.set_yticks(places, labels)
        axes.invert_yaxis()
    elif kind != "scatter":
        is_wide = sum(len(label) + 2 for label in labels) > 90
        axes.set_xticks(places, labels, rotation=60 if is_wide else 0, ha="right" if is_wide else "center")


def save(figure: Figure, path: str) -> None:
    """Write the chart without the name and version of what drew it."""
    figure.savefig(path, metadata={"Software": None})


def shortened(name: str) -> str:
    """Return a label that fits beside an axis."""
    return plain(name if len(name) <= 24 else f"{name[:23]}…")


def plain(text: str) -> str:
    """Return text that matplotlib prints as it stands: a dollar sign would start a formula."""
    return text.replace("$", r"\$")
