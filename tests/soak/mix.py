"""What is run: programs that end well, badly, at each limit, or not by themselves, drawn from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Outcome, RunResult

_COMPLETED, _FAILED, _LIMIT = Outcome.OUTCOME_COMPLETED, Outcome.OUTCOME_FAILED, Outcome.OUTCOME_LIMIT_EXCEEDED
_LONGEST_WAIT_S = 0.3


@dataclass(frozen=True)
class Kind:
    """One program, and how it may end."""

    name: str
    source: str
    share: int
    outcomes: tuple[Outcome.ValueType, ...]
    exceeded: LimitKind.ValueType = LimitKind.LIMIT_KIND_UNSPECIFIED
    limits: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, bytes] = field(default_factory=dict)

    def objection(self, result: RunResult) -> str | None:
        """Return what is wrong with how it ended."""
        if result.outcome in self.outcomes and (not self.exceeded or result.exceeded == self.exceeded):
            return None
        return f"{self.name}: {Outcome.Name(result.outcome)}, {LimitKind.Name(result.exceeded)}, {list(result.notes)}"


@dataclass(frozen=True)
class Turn:
    """One run of the soak."""

    kind: Kind
    seed: int
    cancel_after_s: float | None
    """When the caller gives up; None: it waits for the result."""


KINDS = (
    Kind("ok", "print('well')", 30, (_COMPLETED,)),
    Kind("reads", "print(len(open('in.csv').read()))", 10, (_COMPLETED,), inputs={"in.csv": b"1,2\n" * 1000}),
    Kind(
        "artifacts",
        "import os\nfor n in range(5): open(f'{n}.bin', 'wb').write(os.urandom(60_000))\nos.symlink('/', 'link')",
        10,
        (_COMPLETED,),
    ),
    Kind(
        "figure",
        "import numpy, matplotlib.pyplot as plt\nplt.plot(numpy.random.rand(9))\nopen('d.csv', 'w').write('1,2')",
        4,
        (_COMPLETED,),
    ),
    Kind("fails", "print('so far')\n1 / 0", 10, (_FAILED,)),
    Kind("dies", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", 5, (_FAILED,)),
    Kind(
        "daemon",
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(600)\nprint('gone')",
        6,
        (_COMPLETED,),
    ),
    Kind(
        "spins",
        "import signal\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\nwhile True: pass",
        6,
        (_LIMIT,),
        LimitKind.LIMIT_KIND_WALL_TIME,
        {"wall_time_s": 0.2},
    ),
    Kind("floods", "while True: print('x' * 999)", 6, (_LIMIT,), LimitKind.LIMIT_KIND_OUTPUT, {"output_kib": 64}),
    Kind(
        "hoards",
        "held = []\nwhile True: held.append(bytearray(1 << 23))",
        5,
        (_LIMIT,),
        LimitKind.LIMIT_KIND_MEMORY,
        {"memory_mib": 100, "wall_time_s": 20.0},
    ),
    Kind(
        "forks",
        "import os, time\nwhile os.fork(): pass\ntime.sleep(600)",
        4,
        (_LIMIT, _FAILED),
        LimitKind.LIMIT_KIND_PROCESSES,
        {"process_count": 20, "wall_time_s": 20.0},
    ),
    Kind(
        "fills",
        "open('big', 'wb').write(bytes(20 << 20))",
        4,
        (_LIMIT,),
        LimitKind.LIMIT_KIND_DISK,
        {"disk_mib": 10},
    ),
)


def turns(seed: int, count: int) -> Iterator[Turn]:
    """Yield the runs, the same for the same seed; every fifth or so is cancelled, most of them early."""
    random = Random(seed)
    shares = [kind.share for kind in KINDS]
    for _ in range(count):
        kind = random.choices(KINDS, shares)[0]
        is_cancelled = random.random() < 0.2
        yield Turn(kind, random.getrandbits(32), _LONGEST_WAIT_S * random.random() ** 2 if is_cancelled else None)
