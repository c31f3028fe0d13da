"""The command line's entry point: commands, their options and their help; what they do stands in the other modules.

Each command imports what it needs when it runs, so that `loupe --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from cli.errors import Cancelled, CommandFailed, ExitCode, reason_of
from cli.job_commands import jobs
from cli.options import APPROVALS, as_json_lines, settings


class _Commands(click.Group):
    """Takes Ctrl-C from click, which would answer it with an empty line."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Cancelled from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="loupe")
def loupe() -> None:
    """Turn a picture of data into an analysis that anyone can check and run again.

    \b
    Example:
      loupe analyze chart.png -p "Which month grew fastest?"
    """


loupe.add_command(jobs)


@loupe.command()
@click.option("-d", "--detach", is_flag=True, help="Return as soon as it serves, and leave it running.")
def up(detach: bool) -> ExitCode:
    """Start every server and Envoy on this machine.

    Listens on 127.0.0.1, on port 8000 or LOUPE_PORT. Without --detach it runs until Ctrl-C.

    \b
    Example:
      loupe up --detach
    """
    from cli import lifecycle

    return lifecycle.up_detached(settings()) if detach else lifecycle.up_in_foreground(settings())


@loupe.command()
def down() -> ExitCode:
    """Stop the mesh that `loupe up` started.

    \b
    Example:
      loupe down
    """
    from cli import lifecycle

    return lifecycle.down(settings())


@loupe.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(as_json: bool) -> ExitCode:
    """Show every server; exit code 0 only if all serve.

    \b
    Example:
      loupe status --json
    """
    from cli import status as command

    return command.status(settings(), as_json=as_json)


@loupe.command()
@click.argument("server", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on as lines are written, until Ctrl-C.")
@click.option(
    "-n", "count", default=50, show_default=True, type=click.IntRange(0), help="How many lines to begin with."
)
def logs(server: str | None, follow: bool, count: int) -> ExitCode:
    """Print what the servers logged.

    Of one SERVER, or of all in order of time. Lines are readable in a terminal and JSON in a pipe.

    \b
    Example:
      loupe logs sandbox -f
    """
    from cli import logs as command

    return command.logs(settings(), server, follow=follow, count=count, is_readable=sys.stdout.isatty())


_IMAGES = click.argument("image", nargs=-1, required=True, type=click.Path(path_type=Path))


@loupe.command()
@_IMAGES
@click.option("-p", "--prompt", "question", metavar="QUESTION", help="What to find out. Default: describe the picture.")
@click.option(
    "-o",
    "--out",
    default=Path("loupe-out"),
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the bundles: DIR/STEM/ for each image.",
)
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


@loupe.command()
@_IMAGES
@click.option(
    "-o",
    "--out",
    default=Path("loupe-out"),
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the files: DIR/STEM.csv for each image, STEM-2.csv for its second figure, STEM.json for all of it.",
)
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


@loupe.command()
@click.argument("recording", type=click.Path(path_type=Path))
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


@loupe.command()
@click.argument("figures", metavar="FIGURES.json", type=click.Path(path_type=Path))
@click.option("--tick", "ticks", multiple=True, metavar="f1.y.2=40", help="The number of an axis's tick, from 0.")
@click.option("--series", multiple=True, metavar="f1.s1=NAME", help="The name of a series, from 0.")
@click.option("--value", "values", multiple=True, metavar="ID=TEXT", help="A value or a cell, as it is printed.")
@click.option("--label", "labels", multiple=True, metavar="f1:READ=RIGHT", help="A category, in every series.")
@click.option(
    "-o",
    "--out",
    default=Path("loupe-out"),
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the corrected files, named as `loupe extract` names them.",
)
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


@loupe.group()
def models() -> None:
    """Models: what there is, what answers, and fetching more.

    \b
    Example:
      loupe models status
    """


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def models_list(as_json: bool) -> ExitCode:
    """Show the models on this machine, and those that the router reaches where the mesh runs.

    \b
    Example:
      loupe models list
    """
    from cli import engines as command

    return command.listed(settings(), as_json=as_json)


@models.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def models_status(as_json: bool) -> ExitCode:
    """Show which engine and which model answers at each server, and how it is; exit code 0 only if all are well.

    \b
    Example:
      loupe models status
    """
    from cli import engines as command

    return command.status(settings(), as_json=as_json)


@models.command("pull")
@click.argument("what", metavar="NAME|DIR")
@click.option("--revision", default="main", show_default=True, help="Branch, tag or commit at the hub.")
@click.option("--as", "name", metavar="NAME", help="What to call it here. Default: its name, or the folder's.")
def models_pull(what: str, revision: str, name: str | None) -> ExitCode:
    """Fetch a model's weights into LOUPE_HOME/models, from a hub by NAME or from the folder DIR.

    Each file is held against its checksum; a pull that broke off goes on where it ended. Afterwards no network is
    needed. The hub is LOUPE_HUB_URL. Exit code: 0 the model is whole, 1 it is not, 2 wrong usage.

    \b
    Example:
      loupe models pull Qwen/Qwen2.5-VL-3B-Instruct
      loupe models pull ./my-model --as team/my-model
    """
    from cli import models as command

    return command.pull(settings(), what, revision=revision, name=name)


@loupe.command()
@click.argument("owner")
@click.option("--yes", "is_sure", is_flag=True, help="Don't ask.")
@click.option("--proofs", type=click.Path(path_type=Path), metavar="FILE", help="Write a line of JSON for each proof.")
def erase(owner: str, is_sure: bool, proofs: Path | None) -> ExitCode:
    """Erase everything of OWNER for good: jobs, also those in work, files, and their name in the ledger. For operators.

    What stays is the proof: ids, digests, sizes, counts and times. Backups are not reached. Exit code: 0 all is erased,
    1 something is left, because a server is away: the same command again goes on.

    \b
    Example:
      loupe erase anna@example.org --proofs anna.jsonl
    """
    from cli import erase as command

    if not is_sure:
        click.confirm(f"Erase all jobs and files of {owner}, and their name in the ledger?", abort=True)
    return command.erase(settings(), owner, proofs)


@loupe.group()
def sandbox() -> None:
    """Run a program in a sandbox of its own, for operators.

    \b
    Example:
      loupe sandbox run program.py
    """


@sandbox.command("run")
@click.argument("program", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--runner", type=click.Choice(["auto", "namespaces", "runsc"]), default="auto", show_default=True)
@click.option("--in", "inputs", multiple=True, type=click.Path(path_type=Path), metavar="F", help="An input file.")
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the files it leaves.")
@click.option("--wall-time-s", type=float, metavar="S", help="Shorter than the operator's limit.")
@click.option("--json", "as_json", is_flag=True, help="End with the result as one line of JSON.")
def sandbox_run(
    program: Path, runner: str, inputs: tuple[Path, ...], out: Path | None, wall_time_s: float | None, as_json: bool
) -> ExitCode:
    """Run the Python program FILE as an approved one is run, but on your own signature instead of the critic's.

    Starts a sandbox of its own, which ends with it; the mesh's sandbox never takes this signature. Needs
    LOUPE_OPERATOR_KEY. What the program writes goes to stdout and stderr. Exit code: 0 the
    program ended well, 1 it did not or nothing ran, 2 wrong usage; the program's own stands in the result.

    \b
    Example:
      loupe sandbox run attack.py --runner runsc --in data.csv -o left --json
    """
    from cli import sandbox_run as command

    return command.run(
        settings(), program, runner=runner, inputs=inputs, out=out, wall_time_s=wall_time_s, as_json=as_json
    )


def main() -> None:
    """Run the command line and exit with its code; a failure is one line on stderr, never a traceback."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        return int(loupe.main(arguments, prog_name="loupe", standalone_mode=False) or ExitCode.ANSWERED)
    except CommandFailed as error:
        click.echo(f"loupe: {error.message}", err=True)
        return error.exit_code
    except click.ClickException as error:
        click.echo(f"loupe: {error.format_message()}", err=True)
        return error.exit_code
    except (Cancelled, KeyboardInterrupt):
        return ExitCode.CANCELLED
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except OSError as error:
        # Of this machine, not of ours: a full disk, a folder that may not be written to.
        click.echo(f"loupe: {error.filename or 'this machine'}: {reason_of(error)}", err=True)
        return ExitCode.FAILED
    except Exception as error:
        click.echo(f"loupe: internal error: {type(error).__name__}: {error} ({_keep_traceback()})", err=True)
        return ExitCode.FAILED


def _keep_traceback() -> str:
    """Write the traceback of the exception in work to a file; return where it is."""
    import traceback

    folder = Path(os.environ.get("LOUPE_HOME", "~/.loupe")).expanduser() / "logs"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / "cli.log"
        with path.open("a") as file:
            traceback.print_exc(file=file)
    except OSError as error:
        return f"the traceback could not be kept: {error}"
    return f"the traceback is in {path}"


if __name__ == "__main__":
    main()
