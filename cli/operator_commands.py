"""The commands for operators, their options and their help; what they do stands in the other modules."""

from __future__ import annotations

from pathlib import Path

import click

from cli.errors import ExitCode
from cli.options import settings


@click.command()
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


@click.group()
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
