"""Coloring: the names of colours."""

# mypy: disable-error-code="type-arg"

import math

import pandas as pd  # type: ignore[import-untyped]  # stands in the runtime of programs only

from servers.codegen.programs.parts.writing import Unanswerable, answered

# Names and samples of them in sRGB; what lies nearest in CIELAB gives a colour its name.
NAMED = {
    "black": ["#000000", "#222222"], "dark gray": ["#555555"], "gray": ["#888888"], "light gray": ["#c8c8c8"],
    "white": ["#ffffff"], "dark red": ["#8b0000", "#a01c1c"], "red": ["#d62728", "#ff0000", "#e45756"],
    "light red": ["#f08080", "#ff9896"], "brown": ["#7b4a21", "#8c564b"], "tan": ["#c8a878", "#d2b48c"],
    "orange": ["#ff7f0e", "#f28e2b", "#e8731a"], "light orange": ["#fdbf6f", "#ffbb78"], "gold": ["#d4af37"],
    "yellow": ["#ffd92f", "#ffff00", "#edc948"], "light yellow": ["#fff2ae"], "olive": ["#808000", "#9a9a20"],
    "dark green": ["#1b5e20", "#006400"], "green": ["#2ca02c", "#00a000", "#59a14f", "#00ff00"],
    "light green": ["#98df8a", "#a1d99b"], "teal": ["#008080", "#1b9e8a"], "turquoise": ["#40c9c0", "#76b7b2"],
    "cyan": ["#17becf", "#00ffff"], "dark blue": ["#14306b", "#000080", "#1a2f50"],
    "blue": ["#1f77b4", "#1f4fe0", "#2f5aa8", "#4e79a7", "#0000ff"], "light blue": ["#a6cee3", "#7fb2e5", "#aec7e8"],
    "purple": ["#7b3fa0", "#9467bd"], "light purple": ["#c5b0d5", "#b39ddb"], "dark purple": ["#4a1a6b"],
    "magenta": ["#d01c8b", "#ff00ff"], "pink": ["#f4a6c1", "#e377c2", "#ff9da7"], "maroon": ["#7a1f3d"],
}  # fmt: skip


def lab_of(color: str) -> tuple[float, float, float]:
    """Return the CIELAB of an sRGB colour "#rrggbb" (D65)."""
    channels = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def color_name(color: str) -> str:
    """Return the name whose nearest sample lies nearest (CIE76)."""
    lab = lab_of(color)
    return min(NAMED, key=lambda name: min(math.dist(lab, lab_of(sample)) for sample in NAMED[name]))


def reply_colors(items: pd.DataFrame, column: str) -> dict:
    """Reply with the colour of each series (or category), by name."""
    known = items[items["color"].fillna("") != ""]
    if known.empty:
        raise Unanswerable("no colour was read for it")
    sentences, names = [], []
    for name, group in known.groupby(column, sort=False):
        color = group["color"].mode().iloc[0]
        names.append(color_name(color))
        sentences.append(f"“{name}” is {names[-1]}")
    return answered(f"{'; '.join(sentences)}.", ", ".join(names), known)
