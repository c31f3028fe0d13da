"""Results of many specimens, kind by kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from tests.specimens.score import FigureScore
from tests.specimens.truth import Specimen


@dataclass(frozen=True)
class Result:
    """One specimen, read."""

    specimen: Specimen
    figures: tuple[FigureScore, ...]
    cpu_s: float

    @property
    def within(self) -> float:
        """Of its true values, how many were read right."""
        true = [value for figure in self.figures for value in figure.values if not value.is_invented]
        return sum(value.is_right for value in true) / len(true)

    @property
    def f1(self) -> float:
        """Mean over its true figures."""
        return sum(figure.f1 for figure in self.figures) / len(self.figures)


@dataclass(frozen=True)
class Summary:
    """What a group of results comes to; shares are NaN where there is nothing to share."""

    name: str
    count: int
    types_right: float
    f1: float
    within: float
    """Of the true values, how many were read right."""
    pass_coverage: float
    """Of the true values, how many were read in a figure marked PASS."""
    pass_precision: float
    """Of the values in figures marked PASS, inventions included, how many are right."""
    invented: float
    """Inventions for each true value."""
    cpu_s: float
    """Median."""


def summarise(name: str, results: Sequence[Result]) -> Summary:
    """Return one row of the table."""
    figures = [figure for result in results for figure in result.figures]
    values = [value for figure in figures for value in figure.values]
    true = [value for value in values if not value.is_invented]
    passed = [value for value in values if value.is_passed]
    return Summary(
        name=name,
        count=len(results),
        types_right=_share(figure.is_type_right for figure in figures),
        f1=sum(result.f1 for result in results) / max(1, len(results)),
        within=_share(value.is_right for value in true),
        pass_coverage=_share(value.is_passed for value in true),
        pass_precision=_share(value.is_right for value in passed),
        invented=(len(values) - len(true)) / max(1, len(true)),
        cpu_s=median(result.cpu_s for result in results) if results else float("nan"),
    )


HEADER = f"{'kind':<30}{'n':>4}{'type':>7}{'F1':>7}{'5 %':>7}{'cover':>7}{'prec':>7}{'inv':>7}{'s':>7}"


def line(name: str, results: Sequence[Result]) -> str:
    """Return the results of one kind as a line of text under `HEADER`."""
    row = summarise(name, results)
    return (
        f"{row.name:<30}{row.count:>4}{row.types_right:>7.2f}{row.f1:>7.3f}{row.within:>7.3f}{row.pass_coverage:>7.2f}"
        f"{row.pass_precision:>7.3f}{row.invented:>7.2f}{row.cpu_s:>7.2f}"
    )


def interval(numbers: Sequence[float], *, draws: int = 2000) -> tuple[float, float]:
    """Return the 95 % interval of the mean, by the percentile bootstrap with a fixed seed."""
    array = np.asarray(numbers, dtype=float)
    picks = np.random.default_rng(0).integers(0, len(array), (draws, len(array)))
    low, high = np.quantile(array[picks].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def _share(claims: Iterable[bool]) -> float:
    known = list(claims)
    return sum(known) / len(known) if known else float("nan")
