"""One attack: a program that tries something, and what must come of it.

Its first lines say why and what is expected:

    # expect: held                    it ends well, with "held" as its last line
    # expect: limit memory            a limit of that kind ends it, or it survives the refusal and fails with it
    # expect: failed                  it ends badly by itself: an exception, an exit code, a signal
    # expect: limit disk or held      any of these
    # expect: any                     it ends
    # expect on runsc: ...            where that runner differs
    # harmless on runsc: ...          why what it calls a breach is none there
    # limits: wall_time_s=1           asked for with the run
    # inputs: yes                     an input, input.csv, is laid out
    # artifacts: none                 nothing comes back; plain: only names without odd characters

Whatever else it does, "BREACH" in its output says that something was possible that must not be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from loupe.sandbox.v1.sandbox_pb2 import LimitKind, Outcome
from tests.contract.sandbox_client import Answer

_MOST_RESULT_BYTES = 1024 * 1024
PROGRAMS = Path(__file__).with_name("programs")
_HEADER = re.compile(r"^# ([a-z ]+): (.+)$", re.MULTILINE)
_PLAIN_NAME = re.compile(r"[\w ()+,=@-][\w .()+,=@/-]*", re.ASCII)


@dataclass(frozen=True)
class Attack:
    """A program under `programs`."""

    name: str
    """"family/what it does"."""
    source: str
    headers: dict[str, str] = field(hash=False)

    @property
    def limits(self) -> dict[str, float]:
        """The limits it is run with."""
        pairs = (pair.split("=") for pair in self.headers.get("limits", "").split(", ") if pair)
        return {name: float(value) if name in ("wall_time_s", "cpu_count") else int(value) for name, value in pairs}

    @property
    def inputs(self) -> dict[str, bytes]:
        """The inputs it finds."""
        return {"input.csv": b"a,b\n1,2\n"} if "inputs" in self.headers else {}

    def objections(self, answer: Answer, runner: str) -> list[str]:
        """Return what is wrong with how it ended; nothing if all is well."""
        expected = self.headers.get(f"expect on {runner}", self.headers["expect"])
        written = (answer.stdout + answer.stderr).decode(errors="replace")
        found = []
        if "BREACH" in written and f"harmless on {runner}" not in self.headers:
            found.append("it says BREACH")
        if not any(_met(one, answer) for one in expected.split(" or ")):
            result = answer.result
            found.append(f"expected {expected}: {Outcome.Name(result.outcome)}, {LimitKind.Name(result.exceeded)}")
        if self.headers.get("artifacts") == "none" and answer.artifacts:
            found.append(f"came back: {sorted(answer.artifacts)}")
        if odd := [name for name in answer.artifacts if not _PLAIN_NAME.fullmatch(name) or ".." in name.split("/")]:
            found.append(f"odd names came back: {odd}")
        if answer.result.ByteSize() > _MOST_RESULT_BYTES:
            found.append(f"the result has {answer.result.ByteSize()} bytes")
        return [f"{objection}\n{written[-2000:]}" for objection in found]


def _met(expected: str, answer: Answer) -> bool:
    outcome, exceeded = answer.result.outcome, answer.result.exceeded
    match expected.split():
        case ["any"]:
            return True
        case ["held"]:
            return outcome == Outcome.OUTCOME_COMPLETED and answer.stdout.decode().splitlines()[-1:] == ["held"]
        case ["failed"]:
            return outcome == Outcome.OUTCOME_FAILED
        case ["limit", kind]:
            return exceeded == LimitKind.Value(f"LIMIT_KIND_{kind.upper()}")
    raise ValueError(f"unknown expectation: {expected}")


def load() -> list[Attack]:
    """Return every attack, by name."""
    attacks = []
    for path in sorted(PROGRAMS.rglob("*.py")):
        source = path.read_text()
        head = "\n".join(line for line in source.splitlines() if line.startswith("#"))
        name = path.relative_to(PROGRAMS).with_suffix("").as_posix()
        attacks.append(Attack(name, source, dict(_HEADER.findall(head))))
    return attacks
