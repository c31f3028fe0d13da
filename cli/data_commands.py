"""The commands on pictures and recordings: their options and their help; what they do stands in the other modules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from cli.errors import ExitCode
from cli.options import APPROVALS, as_json_lines, settings

F = TypeVar("F", bound=Callable[..., Any])
_PATH = click.Path(path_type=Path)
_IMAGES = click.argument("image", nargs=-1, required=True, type=_PATH)


def _out(what: str) -> Callable[[F], F]:
    """Return the option for a folder, which is made where it is not there."""
    folder = Path("loupe-out")
    return click.option("-o", "--out", default=folder, show_default=True, type=_PATH, metavar="DIR", help=what)


@click.command()
@_IMAGES
@click.option("-p", "--prompt", "question", metavar="QUESTION", help="What to find out. Default: describe the picture.")
@_out("Folder of the bundles: DIR/STEM/ for each image.")
@click.option(
    "--approval",
    type=click.Choice(list(APPROVALS)),
    default="never",
    show_default=True,
    help="Whether you must approve code before it runs: all of it, or that in which the critic found a risk.",
)
@click.option("--ask", "may_ask", is_flag=True, help="Be asked what is ambiguous, instead of the likeliest reading.")
@click.option("--retry", "may_retry", is_flag=True, help="Let a server that failed in passing be asked again.")
@click.option("--shorten", "may_shorten", is_flag=True, help="Should the planner fail, get the data, on your approval.")
@as_json_lines
def analyze(
    image: tuple[Path, ...],
    question: str | None,
    out: Path,
    approval: str,
    may_ask: bool,
    may_retry: bool,
    may_shorten: bool,
    as_json: bool,
) -> ExitCode:
    """Answer a question about each IMAGE. Keeps the data, the code and the evidence.

    A job that waits for you says so; `loupe jobs approve` and `loupe jobs answer` let it go on, from anywhere.

    Starts the mesh where none is running. Exit code: 0 answered, 1 failed, 2 wrong usage, 3 the picture does not hold
    the answer, 130 cancelled.

    \b
    Example:
      loupe analyze chart.png -p "Which month grew fastest?" -o out
    """
    from cli import analyze as command

    wishes = command.Wishes(approval, may_ask=may_ask, may_retry=may_retry, may_shorten=may_shorten)
    return command.analyze(settings(), image, question, out, wishes, as_json=as_json)


@click.command()
@_IMAGES
@_out("Folder of the files: DIR/STEM.csv for each image, STEM-2.csv for its second figure, STEM.json for all of it.")
def extract(image: tuple[Path, ...], out: Path) -> ExitCode:
    """Write the data of each IMAGE as CSV. The first row is the header, the first column holds the labels.

    STEM.json holds everything that was read: `loupe correct` takes it. Starts the mesh where none is running. Exit
    code: 0 every image gave data, 1 an image failed, 2 wrong usage, 3 an image had nothing to read.

    \b
    Example:
      loupe extract charts/*.png -o data
    """
    from cli import extract as command

    return command.extract(settings(), image, out)


@click.command()
@click.argument("recording", type=_PATH)
@click.option(
    "-l",
    "--language",
    default="",
    metavar="TAG",
    help="Language that is spoken, such as en or pt-BR. Default: told by the engine.",
)
@click.option(
    "-f",
    "--format",
    "form",
    default="text",
    show_default=True,
    type=click.Choice(["text", "srt", "vtt"]),
    help="Lines with the time in front, or subtitles.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, when all is written down.")
def transcribe(recording: Path, language: str, form: str, as_json: bool) -> ExitCode:
    """Write down what is said in a RECORDING, or in the sound track of a clip.

    Each segment is printed when it is recognised. Starts the mesh where none is running. Exit code: 0 there are words,
    1 it failed, 2 wrong usage, 3 nobody speaks.

    \b
    Example:
      loupe transcribe interview.mp3 --format srt > interview.srt
    """
    from cli import transcribe as command

    return command.transcribe(settings(), recording, language, form, as_json=as_json)


@click.command()
@click.argument("figures", metavar="FIGURES.json", type=_PATH)
@click.option("--tick", "ticks", multiple=True, metavar="f1.y.2=40", help="The number of an axis's tick, from 0.")
@click.option("--series", multiple=True, metavar="f1.s1=NAME", help="The name of a series, from 0.")
@click.option("--value", "values", multiple=True, metavar="ID=TEXT", help="A value or a cell, as it is printed.")
@click.option("--label", "labels", multiple=True, metavar="f1:READ=RIGHT", help="A category, in every series.")
@_out("Folder of the corrected files, named as `loupe extract` names them.")
def correct(
    figures: Path,
    ticks: tuple[str, ...],
    series: tuple[str, ...],
    values: tuple[str, ...],
    labels: tuple[str, ...],
    out: Path,
) -> ExitCode:
    """Correct what was misread; all that follows is computed again, without the picture.

    FIGURES.json is what `loupe extract` wrote, or the chart.json of a bundle; overlay.png shows where each tick and
    value stands. Each option may be given several times. A corrected tick makes every value on its axis new.

    \b
    Example:
      loupe correct data/chart.json --tick f1.y.2=40 --series f1.s1=Coal -o corrected
      loupe correct data/chart.json --value 'f1.s0.p3.y=1,204' --label f1:Jna=Jan
    """
    from cli import correct as command

    return command.correct(settings(), figures, out, ticks=ticks, series=series, values=values, labels=labels)
