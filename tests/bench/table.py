"""Rows of measurements, and the Markdown table they make."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Row:
    """One thing measured."""

    what: str
    value: str
    note: str = ""


def timing(what: str, samples_s: list[float], note: str = "", *, tail: int = 95) -> Row:
    """A row of p50, another percentile, and the number of samples."""
    ordered = sorted(samples_s)
    far = ordered[min(len(ordered) - 1, round(tail / 100 * (len(ordered) - 1)))]
    value = f"p50 {_ms(median(ordered))}, p{tail} {_ms(far)}"
    return Row(what, value, f"n={len(ordered)}" + (f"; {note}" if note else ""))


def ratio(what: str, samples_s: list[float], against_s: list[float], note: str = "") -> Row:
    """A row of how many times one thing's median is another's."""
    return Row(what, f"{median(samples_s) / median(against_s):.2f}x", note)


def print_table(rows: list[Row]) -> None:
    """Print the table with the machine and the date."""
    out = [
        f"Measured {datetime.date.today().isoformat()} on {_machine()}.",
        "",
        "| what | value | note |",
        "|---|---|---|",
    ]
    out += [f"| {row.what} | {row.value} | {row.note} |" for row in rows]
    sys.stdout.write("\n".join(out) + "\n")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _machine() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    return f"{os.cpu_count()} cores ({names[0] if names else platform.machine()}), {memory_kib / 2**20:.0f} GiB"
