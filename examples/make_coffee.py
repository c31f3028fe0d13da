"""Draws coffee.png, the picture that `make demo` reads: run `python examples/make_coffee.py` to draw it again."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug")
CUPS = (412, 388, 451, 497, 540, 516, 468, 433)


def main() -> None:
    """Draw an 800 x 600 bar chart without printed values, so that reading it means measuring it."""
    figure, axes = plt.subplots(figsize=(8, 6), dpi=100)
    axes.bar(MONTHS, CUPS, color="#6f4e37", width=0.65)
    axes.set_title("Coffee sold at the corner shop, 2025", fontsize=15)
    axes.set_ylabel("Cups a day", fontsize=12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd")
    axes.set_axisbelow(True)
    figure.tight_layout()
    figure.savefig(Path(__file__).with_name("coffee.png"), metadata={"Software": None})


if __name__ == "__main__":
    main()
