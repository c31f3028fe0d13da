"""How well rules and models read each kind of figure: `python -m tests.bench.quality --models a/m,b/m --out FILE`.

Every figure is drawn here from numbers that are known (`tests.specimens`: matplotlib and Vega, by kind and seed, so the
same pixels everywhere) and held against what was read. The score is the lenient RMS-F1 of `tests.specimens.score`: the
values read and the true ones become (series, label, number); pairs are assigned by the likeness of their names, each
pair is worth (1 - distance of names) × (1 - relative error), either 0 from 0.5 on; F1 is the harmonic mean of that sum
over what was read and over what is true (Liu et al. 2023, section 3). A lone series needs no name, and points without
labels are matched by place. The fidelity of a kind is the mean over its figures; a figure that was not read, and an
answer that is of no use after being asked for twice, count 0.

A model is asked as vision asks it: prompt, schema, checks, size of the picture, through the router of an installation
that runs. Its answer is scored alone, without the rules' reading. The file says revision, prompt, counts and date, and
is what the router takes as `quality_file`. Only what was measured stands in it: a model that can't be asked ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from loupe.type.v1.access_pb2 import Role
from servers.kit import identity
from servers.kit.channels import ServiceTokens, open_channel
from servers.kit.errors import ContextTooLong, DeadlineExceeded, LoupeError, MalformedAnswer, PolicyRefused
from servers.kit.identity import Caller
from servers.kit.keys import KeyFolder
from servers.kit.models.asking import Limits
from servers.kit.models.base import ChatModel
from servers.kit.models.routed import RoutedModel
from servers.vision.config import Settings
from servers.vision.looking import PROMPT, look
from servers.vision.revision import REVISION
from servers.vision.shrink import shrunk
from tests.bench import reading
from tests.bench.table import Row, print_table
from tests.specimens import KINDS, draw
from tests.specimens.__main__ import seeds_of
from tests.specimens.report import Result
from tests.specimens.score import FigureScore, score

BUILTIN = "builtin"
_AT_ONCE = 4
"""Questions to a model at a time; a server batches them."""
# What a model did with a question; anything else that fails says nothing of how well it reads.
_NO_ANSWER = (MalformedAnswer, ContextTooLong, PolicyRefused, DeadlineExceeded)


@dataclass
class Fidelities:
    """What was measured of one reader."""

    name: str
    """As the router's file names a model, "provider/model"; or "builtin"."""
    revision: str = ""
    prompt: str = ""
    scores: dict[str, list[float]] = field(default_factory=dict)
    """Kind of figure → one score for each."""
    unanswered: int = 0
    """Pictures to which no answer was of use."""

    def take(self, figures: Iterable[FigureScore]) -> None:
        """Count the scores of a picture's figures."""
        for figure in figures:
            self.scores.setdefault(figure.true_kind.replace(" ", "_"), []).append(figure.f1)


def of_builtin(results: Iterable[Result]) -> Fidelities:
    """Return the fidelities of the rules, from readings that were made."""
    made = Fidelities(BUILTIN, REVISION)
    for result in results:
        made.take(result.figures)
    return made


async def of_model(
    model: ChatModel, name: str, pictures: Iterable[tuple[str, int]], limits: Limits, *, max_pixels: int
) -> Fidelities:
    """Return the fidelities of a model that is shown these specimens (kind, seed). Raises where it can't be asked."""
    # Told by the router before the first answer, for there may be none.
    revision = (await model.status()).engine.revision
    made = Fidelities(name, revision, PROMPT.reference)
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(kind: str, seed: int) -> None:
        async with turn:
            specimen = await asyncio.to_thread(draw, kind, seed)
            picture = await asyncio.to_thread(shrunk, specimen.rgb, max_pixels)
            try:
                seen = await look(model, picture, limits)
            except _NO_ANSWER:
                made.unanswered += 1
                made.take(score(specimen, []))
                return
            if seen.engine.revision != revision:
                raise SystemExit(f"{name} is of revision {revision!r}, and answered at {seen.engine.revision!r}")
            made.take(await asyncio.to_thread(score, specimen, list(seen.value.figures)))

    try:
        async with asyncio.TaskGroup() as group:
            for kind, seed in pictures:
                group.create_task(one(kind, seed))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return made


def document(measured: Sequence[Fidelities], kinds: Sequence[str], seeds: Sequence[int]) -> dict[str, Any]:
    """Return the file's content."""
    return {
        "date": datetime.date.today().isoformat(),
        "score": "lenient RMS-F1 (Liu et al. 2023), mean over figures",
        "specimens": {"kinds": list(kinds), "seeds": list(seeds)},
        "models": {
            one.name: {
                "revision": one.revision,
                "prompt": one.prompt,
                "unanswered": one.unanswered,
                "kinds": {
                    kind: {"fidelity": round(fmean(scores), 4), "count": len(scores)}
                    for kind, scores in sorted(one.scores.items())
                },
            }
            for one in measured
        },
    }


def rows(measured: Sequence[Fidelities]) -> list[Row]:
    """Return a row for each kind of figure, with each reader's fidelity, and one over all."""
    kinds = sorted({kind for one in measured for kind in one.scores})
    made = [
        Row(f"fidelity: {kind.replace('_', ' ')}", _side_by_side(measured, [kind]), f"n={_count(measured, kind)}")
        for kind in kinds
    ]
    notes = [f"{one.name}: revision {one.revision or 'not told'}, {one.unanswered} unanswered" for one in measured]
    return [*made, Row("fidelity: mean of all figures", _side_by_side(measured, kinds), "; ".join(notes))]


def _side_by_side(measured: Sequence[Fidelities], kinds: Sequence[str]) -> str:
    scores = [[score for kind in kinds for score in one.scores.get(kind, [])] for one in measured]
    return ", ".join(f"{one.name} {fmean(of):.2f}" for one, of in zip(measured, scores, strict=True) if of)


def _count(measured: Sequence[Fidelities], kind: str) -> int:
    return max(len(one.scores.get(kind, [])) for one in measured)


async def main(arguments: Sequence[str]) -> int:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.quality")
    parser.add_argument("--models", default="", help="names as the router's file has them: gpu/qwen-vl,gpu/other")
    parser.add_argument("--home", type=Path, default=Path(os.environ.get("LOUPE_HOME", "~/.loupe")))
    parser.add_argument("--out", type=Path, help="the file for the router's quality_file")
    parser.add_argument("--kinds", default="", help=f"of pictures; all by default: {', '.join(KINDS)}")
    parser.add_argument("--seeds", default=f"{reading.SEEDS[0]}-{reading.SEEDS[-1]}", help="such as 0-9 or 3,5,8")
    parser.add_argument("--without-builtin", action="store_true")
    given = parser.parse_args(arguments)
    kinds, seeds = tuple(filter(None, given.kinds.split(","))) or KINDS, seeds_of(given.seeds)
    names = [name for name in given.models.split(",") if name]
    if unknown := [kind for kind in kinds if kind not in KINDS] or [name for name in names if "/" not in name]:
        parser.error(f"no such kind, or no PROVIDER/MODEL: {', '.join(unknown)}")
    measured = [] if given.without_builtin else [of_builtin(await reading.read_all(kinds, seeds))]
    settings = Settings()
    home = given.home.expanduser()
    identity.act_for(Caller("bench", Role.ROLE_ANALYST), request_id="req_bench_quality")
    tokens = ServiceTokens("vision", KeyFolder(home / "keys"))
    channel = open_channel(f"unix:{home}/run/router.sock", "router", tokens)
    try:
        for name in names:
            pictures = [(kind, seed) for kind in kinds for seed in seeds]
            model = RoutedModel(channel, name)
            measured.append(
                await of_model(model, name, pictures, settings.limits, max_pixels=settings.model_max_pixels)
            )
    except LoupeError as error:
        raise SystemExit(f"{name} can't be measured: {error.message}") from error
    finally:
        await channel.close()
    print_table(rows(measured))
    if given.out:
        given.out.write_text(json.dumps(document(measured, kinds, seeds), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
