"""Plotting: charts that show a method at work: the fitted line, the bins, the boxes, the forecast with its band."""

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # stands in the runtime of programs only
from matplotlib.axes import Axes

from servers.codegen.programs.parts.drawing import COLOURS, PALE, STRONG, canvas, marked, plain, save, shortened
from servers.codegen.programs.parts.forecasting import forecast, horizon
from servers.codegen.programs.parts.grouping import group_of
from servers.codegen.programs.parts.relating import line_of, pairs_of
from servers.codegen.programs.parts.timing import elapsed, timed


def draw_dots(values: pd.DataFrame, used: list[str], title: str, path: str, with_line: bool = False) -> None:
    """Draw a dot for each value at its x; where asked, the straight line through those used."""
    figure, axes = canvas(title)
    groups = marked(values, used)
    for _, colours, group in groups:
        axes.scatter(group["x"], group["number"], color=colours)
    dots = values[values["id"].isin(used)].dropna(subset=["x", "number"])
    if with_line and dots["x"].nunique() > 1:
        draw_line(axes, dots.assign(at=dots["x"]), np.array([dots["x"].min(), dots["x"].max()]))
    name_axes(axes, values)
    save(figure, axes, path, [name for name, _, _ in groups])


def draw_line(axes: Axes, pairs: pd.DataFrame, ends: np.ndarray, start: float = 0.0) -> None:
    """Draw the straight line through pairs, from one end to the other."""
    slope, intercept = line_of(pairs)
    axes.plot(start + ends, intercept + slope * ends, color=STRONG, linestyle="--", label="least squares")


def draw_histogram(values: pd.DataFrame, used: list[str], title: str, path: str) -> None:
    """Draw a bar over each bin, as wide as the bin."""
    figure, axes = canvas(title)
    groups = marked(values, used)
    for _, colours, group in groups:
        bins = group.dropna(subset=["x", "x_end"])
        shades = [colour for colour, is_bin in zip(colours, group["x_end"].notna(), strict=True) if is_bin]
        axes.bar(
            bins["x"], bins["number"], width=bins["x_end"] - bins["x"], align="edge", color=shades, edgecolor="white"
        )
    name_axes(axes, values)
    save(figure, axes, path, [name for name, _, _ in groups])


def draw_boxes(values: pd.DataFrame, used: list[str], title: str, path: str) -> None:
    """Draw a box for each group: whiskers, quartiles, median, and single points that stand apart."""
    figure, axes = canvas(title)
    names = list(values[values["series"] != "outlier"]["category"].unique())
    keys = {
        "lower whisker": "whislo",
        "lower quartile": "q1",
        "median": "med",
        "upper quartile": "q3",
        "upper whisker": "whishi",
    }
    boxes = []
    for name in names:
        own = values[values["category"] == name].set_index("series")["number"]
        numbers = {key: own.get(series, np.nan) for series, key in keys.items()}
        middle = numbers["med"]
        filled = {key: middle if pd.isna(number) else number for key, number in numbers.items()}
        boxes.append({**filled, "label": shortened(name), "fliers": []})
    axes.bxp(boxes, showfliers=False, medianprops={"color": STRONG})
    apart = values[values["series"] == "outlier"].dropna(subset=["number"])
    for _, point in apart.iterrows():
        group = next((place for place, name in enumerate(names, start=1) if group_of(point["category"]) == name), None)
        if group:
            axes.scatter(group, point["number"], color=STRONG if point["id"] in used else PALE, s=15)
    save(figure, axes, path, [])


def draw_course(values: pd.DataFrame, used: list[str], title: str, path: str) -> None:
    """Draw the values over time, with the straight line through those used."""
    figure, axes = canvas(title)
    groups = marked(values, [])
    for index, (_, _, group) in enumerate(groups):
        dated = timed(group)
        axes.plot(dated["time"], dated["number"], "o-", color=COLOURS[index % len(COLOURS)], markersize=4)
        if dated["id"].isin(used).sum() > 2:
            pairs = pairs_of(dated[dated["id"].isin(used)].assign(ids=""))
            step = (pairs["time"].iloc[-1] - pairs["time"].iloc[0]) / pairs["at"].iloc[-1]
            slope, intercept = line_of(pairs)
            ends = np.array([0.0, pairs["at"].iloc[-1]])
            axes.plot(pairs["time"].iloc[0] + ends * step, intercept + slope * ends, color=STRONG, linestyle="--")
    save(figure, axes, path, [name for name, _, _ in groups])


def draw_forecast(values: pd.DataFrame, used: list[str], title: str, path: str, method: str, time: str) -> None:
    """Draw the values over time; those used go on as a forecast inside a band."""
    figure, axes = canvas(title)
    groups = marked(values, [])
    for index, (_, _, group) in enumerate(groups):
        dated = timed(group)
        colour = COLOURS[index % len(COLOURS)]
        axes.plot(dated["time"], dated["number"], "o-", color=colour, markersize=4)
        if dated["id"].isin(used).sum() > 3:
            at = np.asarray(elapsed(dated), float)
            places = np.linspace(at[-1], horizon(dated, time), 20)
            found = forecast(dated, method, places)
            step = (dated["time"].iloc[-1] - dated["time"].iloc[0]) / at[-1]
            times = dated["time"].iloc[0] + places * step
            axes.plot(times, found["expected"], color=STRONG, linestyle="--")
            axes.fill_between(times, found["low"], found["high"], color=STRONG, alpha=0.15, linewidth=0)
    save(figure, axes, path, [name for name, _, _ in groups])


def name_axes(axes: Axes, values: pd.DataFrame) -> None:
    """Put the names of x and y beside their axes."""
    axes.set_xlabel(plain(str(values["x_name"].iloc[0])))
    if values["series"].nunique() == 1:
        axes.set_ylabel(plain(str(values["series"].iloc[0])))
