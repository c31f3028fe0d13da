"""What charts measure: magnitudes, units, and how their numbers are printed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from matplotlib.ticker import Formatter

_TITLES = (
    "Visitors",
    "Revenue",
    "Output",
    "Sales",
    "Orders",
    "Population",
    "Cost",
    "Energy use",
    "Price",
    "Score",
    "Index",
)
_UNITS = ("kg", "km", "MW", "USD", "EUR", "tonnes", "people", "hours", "points", "GWh")


@dataclass(frozen=True)
class Measure:
    """A quantity, and the way its numbers are printed."""

    title: str
    high: float
    """About the largest value."""
    prefix: str = ""
    suffix: str = ""
    factor: float = 1.0
    """What one printed unit stands for: 1000 where "k" is printed."""
    separator: str = ""
    """Between thousands."""
    decimals: int = 0
    """Of a printed value."""

    def round(self, value: float) -> float:
        """Return the nearest value that can be printed exactly."""
        return round(round(value / self.factor, self.decimals) * self.factor, 9)

    def finer(self) -> Measure:
        """Return the same quantity with values between those that are printed, for curves without numbers on them."""
        return replace(self, decimals=self.decimals + 2)

    def label(self, value: float) -> str:
        """Return how a value is printed beside its mark."""
        return self._print(value, self.decimals)

    def tick(self, value: float, decimals: int) -> str:
        """Return how a value is printed at the axis."""
        return self._print(value, decimals)

    def sample(self, rng: Random, count: int, *, low_share: float = 0.08) -> list[float]:
        """Return that many values between a share of `high` and `high`, in one of several usual shapes."""
        shape = rng.choice(("even", "falling", "alike", "skewed"))
        if shape == "even":
            shares = [rng.uniform(low_share, 1) for _ in range(count)]
        elif shape == "falling":
            shares = sorted((rng.uniform(low_share, 1) for _ in range(count)), reverse=True)
        elif shape == "alike":
            shares = [rng.uniform(max(low_share, 0.62), 1) for _ in range(count)]
        else:
            shares = [low_share + (1 - low_share) * rng.random() ** 2.5 for _ in range(count)]
        return [self.round(share * self.high) for share in shares]

    def walk(self, rng: Random, count: int, *, low_share: float = 0.06) -> list[float]:
        """Return a series over time: each value near the one before, between a share of `high` and `high`."""
        at, drift, shake = (
            rng.uniform(0.2, 0.8),
            rng.uniform(-0.5, 0.5) / count,
            rng.uniform(0.2, 1.0) / math.sqrt(count),
        )
        shares = []
        for _ in range(count):
            shares.append(at)
            at += drift + rng.gauss(0, 0.35) * shake
            if at > 1:
                at = 2 - at
            if at < low_share:
                at = 2 * low_share - at
            at = min(1.0, max(low_share, at))
        return [self.round(share * self.high) for share in shares]

    def _print(self, value: float, decimals: int) -> str:
        number = f"{abs(value) / self.factor:,.{decimals}f}".replace(",", self.separator)
        sign = "−" if value < 0 and float(f"{value / self.factor:.{decimals}f}") != 0 else ""
        return f"{sign}{self.prefix}{number}{self.suffix}"


class TickFormatter(Formatter):
    """Prints the ticks of one axis as its measure is printed, all with the decimals that their step needs."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure

    def __call__(self, x: float, pos: int | None = None) -> str:
        return self._measure.tick(x, decimals_of([x / self._measure.factor]))

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        decimals = decimals_of([float(value) / self._measure.factor for value in values])
        return [self._measure.tick(float(value), decimals) for value in values]


def decimals_of(numbers: Sequence[float]) -> int:
    """Return how many decimals it takes to print all of these exactly, at most six."""
    for decimals in range(6):
        if all(abs(round(number, decimals) - number) <= 1e-9 * max(1.0, abs(number)) for number in numbers):
            return decimals
    return 6


def pick(rng: Random, *, is_small: bool = False) -> Measure:
    """Return a quantity by chance: its size between 0.01 and 1e9, its unit and its print.

    Args:
      is_small: only numbers whose labels are short.
    """
    style = rng.choice(("plain", "plain", "comma", "percent", "percent", "currency", "letters", "unit", "fine"))
    if is_small and style in ("comma", "currency"):
        style = "plain"
    title = rng.choice(_TITLES)
    if style == "percent":
        return _of(
            "Share of respondents (%)" if rng.random() < 0.3 else "Percent",
            rng.choice((9, 30, 60, 90, 100)),
            suffix="%",
        )
    if style == "currency":
        sign = rng.choice(("$", "$", "€", "£"))
        return _of(f"{title}", 10 ** rng.uniform(1, 6), prefix=sign, separator=",")
    if style == "letters":
        letter, factor = rng.choice((("k", 1e3), ("K", 1e3), ("M", 1e6), ("M", 1e6), ("B", 1e9)))
        prefix = rng.choice(("", "", "$"))
        return _of(title, factor * 10 ** rng.uniform(0.3, 2.6), prefix=prefix, suffix=letter, factor=factor)
    if style == "unit":
        unit = rng.choice(_UNITS)
        return _of(f"{title} ({unit})", 10 ** rng.uniform(0.5, 4), separator=rng.choice(("", ",")))
    if style == "fine":
        return _of(title, 10 ** rng.uniform(-1.5, 0.3))
    if style == "comma":
        return _of(title, 10 ** rng.uniform(3.2, 8.5), separator=rng.choice((",", ",", ",", " ")))
    return _of(title, 10 ** rng.uniform(0.7, 3.7))


def _of(
    title: str, high: float, *, prefix: str = "", suffix: str = "", factor: float = 1.0, separator: str = ""
) -> Measure:
    size = math.floor(math.log10(high / factor))
    decimals = max(0, 2 - size - (0 if size >= 2 else 1 if size == 1 else 0))
    return Measure(title, float(high), prefix, suffix, factor, separator, decimals)
