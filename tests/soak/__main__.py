"""The long soak: `make soak`, or `python -m tests.soak --runs 2000 --seed 7`."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.soak.jobs import CANCELS, KILLS, Volume, soak_both
from tests.soak.soak import soak

_PRESENT = {"namespaces": "bwrap", "runsc": "runsc"}
# gVisor takes a hundred times as long to make a sandbox.
_SHARE = {"namespaces": 0.95, "runsc": 0.05}
# Allocators keep some; a leak of 1 KiB a run would be 10 MiB.
_GROWTH_MIB = 8.0


def main() -> int:
    """Soak sandboxes, then jobs; 1 if anything was left or went otherwise than it must."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000, help="of sandboxes, and of jobs (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="what is run, and when it is cancelled (%(default)s)")
    parser.add_argument("--part", choices=("sandbox", "jobs"), help="only this one")
    parser.add_argument("--runner", choices=_PRESENT, help="of the sandbox, only this one")
    options = parser.parse_args()
    is_clean = True
    if options.part != "jobs":
        is_clean &= _soak_sandboxes(options)
    if options.part != "sandbox":
        kills = max(3, round(KILLS * options.runs / CANCELS))
        is_clean &= asyncio.run(soak_both(Volume.of(kills, options.runs), options.seed))
    return 0 if is_clean else 1


def _soak_sandboxes(options: argparse.Namespace) -> bool:
    wanted = [options.runner] if options.runner else [name for name in _PRESENT if shutil.which(_PRESENT[name])]
    is_clean = True
    for name in wanted:
        runs = options.runs if len(wanted) == 1 else int(options.runs * _SHARE[name])
        is_clean &= _soak(name, runs, options.seed)
    return is_clean


def _soak(runner: str, runs: int, seed: int) -> bool:
    home = Path(tempfile.mkdtemp(prefix="loupe-soak-"))
    try:
        soaked = asyncio.run(soak(runner, home, runs=runs, seed=seed, warm_up=max(20, runs // 10)))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    is_clean = soaked.before == soaked.after and soaked.growth_mib <= _GROWTH_MIB and not soaked.objections
    sys.stdout.write(
        f"{runner}: {runs} runs in {soaked.took_s:.0f} s, {soaked.cancelled_count} cancelled, seed {seed}\n"
        f"  ended: {dict(sorted(soaked.ended.items()))}\n"
        f"  before: {soaked.before}\n  after:  {soaked.after}\n"
        f"  memory: {soaked.memory_before_mib:.1f} MiB, then {soaked.memory_after_mib:.1f} MiB\n"
        + "".join(f"  otherwise than it must: {text}\n" for text in soaked.objections[:20])
        + ("  nothing is left\n" if is_clean else "  NOT CLEAN\n")
    )
    return is_clean


if __name__ == "__main__":
    sys.exit(main())
