"""Reads specimens and prints how well: `python -m tests.specimens KIND... --seeds 0-9 [--out DIR]`; no KIND means all.

Columns: n pictures; share of types right; lenient RMS-F1; share of true values within 5 %; share of true values in
figures marked PASS; share of values in such figures that are right; inventions for each true value; median CPU seconds.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

from PIL import Image

from loupe.type.v1 import figure_pb2
from tests.specimens import KINDS
from tests.specimens.items import read_items
from tests.specimens.reading import read
from tests.specimens.report import HEADER, Result, line


def main() -> int:
    """Read what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.specimens", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--seeds", default="0-4", help="such as 0-9 or 3,5,8")
    parser.add_argument("--out", type=Path, help="folder for pictures, truth and readings")
    given = parser.parse_args()
    unknown = [kind for kind in given.kinds if kind not in KINDS]
    if unknown:
        parser.error(f"no such kind: {', '.join(unknown)}")
    kinds, results = given.kinds or KINDS, []
    sys.stdout.write(HEADER + "\n")
    for kind in kinds:
        for seed in seeds_of(given.seeds):
            result, figures = read(kind, seed)
            results.append(result)
            if given.out:
                _keep(given.out, result, figures)
        sys.stdout.write(line(kind, [result for result in results if result.specimen.kind == kind]) + "\n")
        sys.stdout.flush()
    if len(kinds) > 1:
        sys.stdout.write(line("all", results) + "\n")
    if given.out:
        _index(given.out, results)
    return 0


def seeds_of(text: str) -> list[int]:
    """Return the seeds that "0-9" or "3,5,8" names."""
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        seeds += range(int(first), int(last or first) + 1)
    return seeds


def _keep(folder: Path, result: Result, figures: list[figure_pb2.Figure]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{result.specimen.kind}-{result.specimen.seed}"
    Image.fromarray(result.specimen.rgb).save(folder / f"{name}.png")
    with (folder / f"{name}-truth.csv").open("w", newline="") as file:
        for true in result.specimen.truth:
            csv.writer(file).writerows([[f"# {true.kind_name}", true.title], *true.to_table()])
    with (folder / f"{name}-read.csv").open("w", newline="") as file:
        for figure, found in zip(figures, (read_items(figure) for figure in figures), strict=True):
            kind = figure_pb2.ChartType.Name(figure.chart.type) if figure.HasField("chart") else "table"
            reasons = "; ".join(f"{reason.code}: {reason.message}" for reason in figure.reasons)
            rows = [[f"# {kind}", figure_pb2.Fidelity.Name(figure.fidelity), reasons]]
            rows += [
                [item.series, item.label, "" if item.x is None else f"{item.x:.8g}", f"{item.number}", item.text,
                 f"{item.confidence:.2f}"]
                for item in found
            ]  # fmt: skip
            csv.writer(file).writerows(rows)
    with (folder / f"{name}-values.csv").open("w", newline="") as file:
        rows = [["series", "label", "true", "read", "error", "right", "confidence", "origin", "fidelity"]]
        rows += [
            [v.series, v.label, str(v.true), str(v.read), f"{v.error:.4g}", str(v.is_right), f"{v.confidence:.3f}",
             figure_pb2.Origin.Name(figure_pb2.Origin.ValueType(v.origin)),
             _fidelity(v.fidelity)]
            for figure in result.figures
            for v in figure.values
        ]  # fmt: skip
        csv.writer(file).writerows(rows)


def _index(folder: Path, results: list[Result]) -> None:
    """Write the pictures by score, the worst first."""
    lines = []
    for result in sorted(results, key=lambda result: result.f1):
        seen = "; ".join(
            f"{figure.true_kind} -> {figure.read_kind or 'nothing'}"
            f" {_fidelity(figure.fidelity)[9:]} {','.join(figure.reasons)}"
            for figure in result.figures
        )
        lines.append(f"{result.f1:.3f}  {result.specimen.kind}-{result.specimen.seed}  {result.cpu_s:.2f} s  {seen}")
    (folder / "index.txt").write_text("\n".join(lines) + "\n")


def _fidelity(number: int) -> str:
    return figure_pb2.Fidelity.Name(figure_pb2.Fidelity.ValueType(number))


if __name__ == "__main__":
    sys.exit(main())
