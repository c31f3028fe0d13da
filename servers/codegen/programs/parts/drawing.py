"""Drawing: the figure again, what the answer stands on in a strong colour. The same values give the same bytes."""

import matplotlib
import pandas as pd  # type: ignore[import-untyped]  # stands in the runtime of programs only
from matplotlib.axes import Axes
from matplotlib.figure import Figure

STRONG = "#d1495b"
PALE = "#b8c4cc"
COLOURS = ["#30638e", "#edae49", "#66a182", "#8d96a3", "#7d5ba6", "#003d5b", "#c08497", "#a1c181"]


def draw_bars(values: pd.DataFrame, used: list[str], title: str, path: str) -> None:
    """Draw vertical bars, the series side by side."""
    figure, axes = canvas(title)
    groups = marked(values, used)
    width = 0.8 / max(1, len(groups))
    for index, (_, colours, group) in enumerate(groups):
        places = group["place"] - 0.4 + width * (index + 0.5)
        axes.bar(places, group["number"], width=width, color=colours)
    label_places(axes, values)
    save(figure, axes, path, [name for name, _, _ in groups])


def draw_horizontal_bars(values: pd.DataFrame, used: list[str], title: str, path: str) -> None:
    """Draw horizontal bars, the first category on top, the series side by side."""
    figure, axes = canvas(title)
    groups = marked(values, used)
    width = 0.8 / max(1, len(groups))
    for index, (_, colours, group) in enumerate(groups):
        places = group["place"] - 0.4 + width * (index + 0.5)
        axes.barh(places, group["number"], height=width, color=colours)
    names = values["category"].unique()
    step = max(1, -(-len(names) // 25))
    axes.set_yticks(range(0, len(names), step), [shortened(name) for name in names[::step]])
    axes.invert_yaxis()
    save(figure, axes, path, [name for name, _, _ in groups])


def draw_stacked_bars(values: pd.DataFrame, used: list[str], title: str, path: str) -> None:
    """Draw vertical bars, the series on top of each other."""
    figure, axes = canvas(title)
    groups = marked(values, used)
    heights = dict.fromkeys(range(values["category"].nunique()), 0.0)
    for _, colours, group in groups:
        bottoms = [heights[place] for place in group["place"]]
        axes.bar(group["place"], group["number"], bottom=bottoms, color=colours)
        for place, number in zip(group["place"], group["number"], strict=True):
            heights[place] += number
    label_places(axes, values)
    save(figure, axes, path, [name for name, _, _ in groups])


def draw_lines(values: pd.DataFrame, used: list[str], title: str, path: str) -> None:
    """Draw a line for each series, with a dot for each value."""
    figure, axes = canvas(title)
    groups = marked(values, used)
    for index, (_, colours, group) in enumerate(groups):
        axes.plot(group["place"], group["number"], color=COLOURS[index % len(COLOURS)])
        axes.scatter(group["place"], group["number"], color=colours, s=20, zorder=3)
    label_places(axes, values)
    save(figure, axes, path, [name for name, _, _ in groups])


def draw_pie(values: pd.DataFrame, used: list[str], title: str, path: str) -> None:
    """Draw the first series as slices of a pie."""
    figure, axes = canvas(title)
    for _, colours, group in marked(values, used)[:1]:
        is_plain = STRONG not in colours
        shades = [COLOURS[place % len(COLOURS)] for place in group["place"]]
        shades = shades if is_plain else [STRONG if colour == STRONG else PALE for colour in colours]
        labels = [shortened(name) for name in group["category"]]
        if group["number"].clip(lower=0).sum() > 0:
            axes.pie(
                group["number"].clip(lower=0),
                labels=labels,
                colors=shades,
                startangle=90,
                wedgeprops={"edgecolor": "white"},
            )
    save(figure, axes, path, [])


def marked(values: pd.DataFrame, used: list[str]) -> list[tuple[str, list[str], pd.DataFrame]]:
    """Return each series with a colour for each of its values: a strong one for those used, if not all are."""
    place = {name: place for place, name in enumerate(values["category"].unique())}
    is_used = values["id"].isin(used)
    shown_values = values.assign(place=values["category"].map(place), used=is_used & ~is_used.all())
    groups = []
    for index, (name, group) in enumerate(shown_values.dropna(subset=["number"]).groupby("series", sort=False)):
        colour = COLOURS[index % len(COLOURS)]
        groups.append((name, [STRONG if is_strong else colour for is_strong in group["used"]], group))
    return groups


def draw_plain(values: pd.DataFrame, title: str, path: str) -> None:
    """Draw a figure's values as plain bars, one beside the other."""
    figure, axes = canvas(title)
    axes.bar(range(len(values)), values["number"].fillna(0.0), color=PALE)
    save(figure, axes, path, [])


def draw_text(text: str, path: str) -> None:
    """Draw a line of text in place of a chart."""
    figure, axes = canvas("")
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center")
    save(figure, axes, path, [])


def canvas(title: str) -> tuple[Figure, Axes]:
    """Return an empty chart with its title."""
    matplotlib.rcParams["font.family"] = "DejaVu Sans"
    figure = Figure(figsize=(8, 5), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(plain(title)[:90])
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def label_places(axes: Axes, values: pd.DataFrame) -> None:
    """Put the names of the categories below the chart, at most about 25 of them."""
    names = values["category"].unique()
    step = max(1, -(-len(names) // 25))
    labels = [shortened(name) for name in names[::step]]
    is_wide = sum(len(label) + 2 for label in labels) > 90
    axes.set_xticks(
        range(0, len(names), step), labels, rotation=60 if is_wide else 0, ha="right" if is_wide else "center"
    )


def save(figure: Figure, axes: Axes, path: str, names: list[str]) -> None:
    """Write the chart as a PNG file of 800 by 500 pixels, without the name and version of what drew it."""
    if len(names) > 1:
        for index, name in enumerate(names):
            axes.plot([], [], "s", color=COLOURS[index % len(COLOURS)], label=shortened(name))
        axes.legend(fontsize=8, ncols=min(3, len(names)))
    figure.savefig(path, metadata={"Software": None})


def shortened(name: str) -> str:
    """Return a label that fits beside an axis."""
    return plain(name if len(name) <= 24 else f"{name[:23]}…")


def plain(text: str) -> str:
    """Return text that matplotlib prints as it stands: a dollar sign would start a formula."""
    return text.replace("$", r"\$")
