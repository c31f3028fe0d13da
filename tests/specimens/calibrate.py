"""Fits the weights of confidence: `python -m tests.specimens.calibrate [KIND...] --seeds 1000-1019 --check 2000-2009`.

Readings of drawn figures are turned into (what speaks for a value, whether it is right), a logistic curve is fitted to
those of --seeds, and the weights are written to servers/vision/fidelity/weights.json. Then how far confidence and
verdicts can be trusted is printed for the readings of --check, which took no part. With --keep FILE readings are stored
there and taken from there, so that only new ones are made. The values of charts and the cells of tables share no terms;
--only charts or --only tables fits the one and leaves the weights of the other as they are.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from servers.vision.fidelity.cell_terms import cell_terms
from servers.vision.fidelity.confidence import CONSTANT, LEAST, MOST, WEIGHTS, terms
from servers.vision.fidelity.evidence import evidence_of
from servers.vision.fidelity.judge import UNCERTAIN, judge
from servers.vision.reading import read_unjudged
from tests.specimens import KINDS, draw
from tests.specimens.__main__ import seeds_of
from tests.specimens.outcome import WITHIN
from tests.specimens.score import score

PARTS = ("charts", "tables")
"""Fitted apart: each with its own least share of right values that a figure passes with."""
_CELL = "any cell "
_LEAST_NAMES = {"charts": "least_expected", "tables": "least_expected_of_table"}
_RIDGE = 0.5
"""Pulls weights to zero that few readings speak for."""
_RIGHT, _STRICTEST = 0.955, 0.97
"""Of the values in figures that pass, how many shall be right; 0.95 is promised of pictures that nobody has seen."""
_HIGH_ENOUGH = 0.9
_MOST_OF_A_FIGURE = 20
"""Values that a figure may count for: they are often right or wrong together."""


@dataclass(frozen=True)
class Row:
    """One value that was read."""

    kind: str
    seed: int
    figure: str
    terms: Mapping[str, float]
    is_right: bool
    is_doubted: bool = False
    """The figure does not pass, whatever its confidences."""

    @property
    def part(self) -> str:
        """One of `PARTS`."""
        return "tables" if any(name.startswith(_CELL) for name in self.terms) else "charts"


def main() -> int:
    """Fit and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.specimens.calibrate", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="default: all")
    parser.add_argument("--seeds", default="1000-1019")
    parser.add_argument("--check", default="2000-2009")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--only", choices=PARTS, help="fit the one and keep the weights of the other")
    parser.add_argument("--write", type=Path, default=WEIGHTS, help="file of the weights; default: the package's")
    parser.add_argument("--dry", action="store_true", help="write no weights")
    given = parser.parse_args()
    kinds = given.kinds or list(KINDS)
    made = json.loads(WEIGHTS.read_text(encoding="utf8"))
    if not given.only:
        made["weights"] = {}
    fitted = rows(kinds, seeds_of(given.seeds), given.keep)
    checked = rows(kinds, seeds_of(given.check), given.keep)
    for part in (given.only,) if given.only else PARTS:
        own = [row for row in fitted if row.part == part]
        if not own:
            parser.error(f"none of these kinds was read as one of the {part}: fit --only the others")
        weights = fit(own)
        least = least_expected(own, weights)
        others = {name: weight for name, weight in made["weights"].items() if name not in weights}
        made["weights"] = dict(sorted({**others, **{name: round(w, 3) for name, w in weights.items()}}.items()))
        made[_LEAST_NAMES[part]] = least
        made[f"fit_of_{part}"] = {
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "kinds": kinds,
            "seeds": given.seeds,
            "values": len(own),
        }
        seen = [row for row in checked if row.part == part]
        sys.stdout.write(f"{part}\n{told(seen, weights, least)}\n" if seen else f"{part}: none to check\n")
    if not given.dry:
        given.write.write_text(json.dumps(made, indent=1) + "\n", encoding="utf8")
    return 0


def rows(kinds: Sequence[str], seeds: Sequence[int], keep: Path | None) -> list[Row]:
    """Return a row for each value read from these specimens, from the kept ones where they are."""
    kept: dict[tuple[str, int], list[Row]] = {}
    if keep is not None and keep.exists():
        with keep.open(encoding="utf8") as file:
            for line in file:
                entry = json.loads(line)
                kept[entry["kind"], entry["seed"]] = [Row(**row) for row in entry["rows"]]
    found = []
    for seed in seeds:
        for kind in kinds:
            if (kind, seed) not in kept:
                kept[kind, seed] = list(_read(kind, seed))
                if keep is not None:
                    with keep.open("a", encoding="utf8") as file:
                        entry = {"kind": kind, "seed": seed, "rows": [asdict(row) for row in kept[kind, seed]]}
                        file.write(json.dumps(entry) + "\n")
            found += kept[kind, seed]
    return found


def _read(kind: str, seed: int) -> Iterator[Row]:
    specimen = draw(kind, seed)
    figures = list(read_unjudged(specimen.rgb).figures)
    known: dict[str, tuple[str, dict[str, float]]] = {}
    for figure in figures:
        evidence = evidence_of(figure.chart)
        for one, found in zip(evidence, terms(figure, evidence), strict=True):
            known[one.entry.value.value_id] = (figure.figure_id, found)
        for cell, found in zip(figure.table.cells, cell_terms(figure), strict=True):
            known[cell.value.value_id] = (figure.figure_id, found)
        judge(figure)
    doubted = {f.figure_id for f in figures if any(reason.code != UNCERTAIN for reason in f.reasons)}
    for scored in score(specimen, figures):
        for value in scored.values:
            if value.value_id in known:
                name, found = known[value.value_id]
                right = bool(value.is_right if value.true == 0 else value.error <= WITHIN)
                yield Row(kind, seed, name, found, right, name in doubted)


def fit(found: Sequence[Row]) -> dict[str, float]:
    """Return the weights under which the rows are likeliest; only constant terms may be negative."""
    names = sorted({name for row in found for name in row.terms})
    matrix = _matrix(found, names)
    right = np.array([row.is_right for row in found], dtype=np.float64)
    share = _figure_shares(found)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        total = matrix @ weights
        likelihood = np.logaddexp(0.0, total) - right * total
        slope = matrix.T @ (share * (1 / (1 + np.exp(-total)) - right)) + _RIDGE * weights
        return float(share @ likelihood + 0.5 * _RIDGE * weights @ weights), slope

    bounds = [(None, None) if name.startswith(CONSTANT) else (0.0, None) for name in names]
    best = minimize(loss, np.zeros(len(names)), jac=True, bounds=bounds, method="L-BFGS-B")
    return dict(zip(names, map(float, best.x), strict=True))


def _matrix(found: Sequence[Row], names: Sequence[str]) -> NDArray[np.float64]:
    return np.array([[row.terms.get(name, 0.0) for name in names] for row in found])


def _figure_shares(found: Sequence[Row]) -> NDArray[np.float64]:
    keys = [(row.kind, row.seed, row.figure) for row in found]
    counts = Counter(keys)
    return np.array([min(1.0, _MOST_OF_A_FIGURE / counts[key]) for key in keys])


def least_expected(found: Sequence[Row], weights: Mapping[str, float]) -> float:
    """Return the mean confidence from which figures without a doubt are right enough, as most should pass.

    The lowest such one, raised up to `_HIGH_ENOUGH` where no figure is lost by it: others may be less like these.
    """
    steps = [round(float(least), 2) for least in np.arange(0.7, 0.98, 0.01)]
    passing = [_passed(found, weights, least) for least in steps]
    right = np.array([row.is_right for row in found])
    for index, passed in enumerate(passing):
        if passed.any() and right[passed].mean() >= _RIGHT:
            same = [step for step, other in zip(steps[index:], passing[index:], strict=True) if (other == passed).all()]
            return max(steps[index], *(step for step in same if step <= _HIGH_ENOUGH), 0.0)
    return _STRICTEST


def _passed(found: Sequence[Row], weights: Mapping[str, float], least: float) -> NDArray[np.bool_]:
    """Tell which values stand in figures that pass."""
    confidence = _confidence(found, weights)
    figures: dict[tuple[str, int, str], list[float]] = {}
    for row, one in zip(found, confidence, strict=True):
        figures.setdefault((row.kind, row.seed, row.figure), []).append(float(one))
    return np.array(
        [not row.is_doubted and float(np.mean(figures[row.kind, row.seed, row.figure])) >= least for row in found]
    )


def _confidence(found: Sequence[Row], weights: Mapping[str, float]) -> NDArray[np.float64]:
    total = _matrix(found, list(weights)) @ np.array(list(weights.values()))
    return np.asarray(np.clip(1 / (1 + np.exp(-total)), LEAST, MOST))


def told(found: Sequence[Row], weights: Mapping[str, float], least: float) -> str:
    """Return the reliability table: bins of confidence against how many values in them were right."""
    confidence = _confidence(found, weights)
    right = np.array([row.is_right for row in found])
    lines = [f"{'confidence':<14}{'values':>8}{'mean':>8}{'right':>8}"]
    edges = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99, 1.0)
    for low, high in itertools.pairwise(edges):
        inside = (confidence >= low) & (confidence < high)
        if inside.any():
            means = f"{confidence[inside].mean():>8.3f}{right[inside].mean():>8.3f}"
            lines.append(f"{low:.2f} to {high:.2f}  {inside.sum():>8}{means}")
    for threshold in sorted({0.8, 0.85, 0.9, 0.95, least}):
        passed = _passed(found, weights, threshold)
        share = f"{right[passed].mean():.1%} of them right" if passed.any() else "none"
        mark = " (the verdict's)" if threshold == least else ""
        lines.append(f"in figures of {threshold} or more, no doubt: {passed.mean():.0%} of the values, {share}{mark}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
