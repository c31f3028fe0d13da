"""How well vision reads what is drawn for it, kind by kind: the regression table."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.bench.table import Row
from tests.specimens import KINDS
from tests.specimens.reading import read
from tests.specimens.report import Result, interval, summarise

SEEDS = range(9000, 9004)
"""Not looked at while rules are written: use others for that."""
_PROCESSES = 2


async def read_all(kinds: Sequence[str] = KINDS, seeds: Sequence[int] = SEEDS) -> list[Result]:
    """Read specimens of these kinds, two at a time; four of every kind take four minutes on two cores."""
    jobs = [(kind, seed) for kind in kinds for seed in seeds]
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(_PROCESSES, mp_context=get_context("spawn")) as pool:
        return await asyncio.gather(*(loop.run_in_executor(pool, _result, *job) for job in jobs))


def rows(results: Sequence[Result]) -> list[Row]:
    """Return what the readings come to, kind by kind of picture."""
    return [*(_row(kind, [r for r in results if r.specimen.kind == kind]) for kind in KINDS), *_overall(results)]


def _result(kind: str, seed: int) -> Result:
    return read(kind, seed)[0]


def _row(kind: str, results: Sequence[Result]) -> Row:
    found = summarise(kind, results)
    return Row(
        f"reading: {kind.replace('_', ' ')}",
        f"RMS-F1 {found.f1:.2f}, {found.within:.0%} of values within 5 %",
        f"n={found.count}; type right {found.types_right:.0%}; {_passes(found.pass_coverage, found.pass_precision)};"
        f" {found.cpu_s:.2f} s",
    )


def _overall(results: Sequence[Result]) -> list[Row]:
    found = summarise("all", results)
    f1 = interval([result.f1 for result in results])
    within = interval([result.within for result in results])
    return [
        Row(
            "reading: all kinds, RMS-F1",
            f"{found.f1:.3f} (95 % interval {f1[0]:.3f} to {f1[1]:.3f})",
            f"n={found.count}, bootstrap over pictures; type right {found.types_right:.0%}; {found.cpu_s:.2f} s",
        ),
        Row(
            "reading: all kinds, values within 5 %",
            f"{found.within:.1%} of all; {sum(r.within for r in results) / len(results):.1%} of a picture's"
            f" (95 % interval {within[0]:.1%} to {within[1]:.1%})",
            _passes(found.pass_coverage, found.pass_precision),
        ),
    ]


def _passes(coverage: float, precision: float) -> str:
    if coverage == 0:
        return "none in PASS"
    return f"{coverage:.0%} in PASS, of which {precision:.1%} right"
