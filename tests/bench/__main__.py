"""Measures a mesh of its own and prints the table of docs/bench.md: `make bench`."""

from __future__ import annotations

import asyncio
import sys

from tests.bench import bad_input, jobs, overhead, quality, reading, router, sandboxes, speech, whole_job
from tests.bench.table import print_table
from tests.bench.world import world


async def main() -> int:
    """Measure everything once, side by side, and print it."""
    async with world() as it:
        rows = [
            *it.start_rows,
            *await overhead.hops(it),
            *await overhead.critic(it),
            *await whole_job.jobs(it),
            *await bad_input.bad_input(it),
        ]
    rows += await sandboxes.sandboxes()
    readings = await reading.read_all()  # after the mesh is gone: it takes both cores
    rows += reading.rows(readings)
    rows += quality.rows([quality.of_builtin(readings)])
    rows += speech.speech()
    rows += await jobs.jobs()
    rows += await router.router()
    print_table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
