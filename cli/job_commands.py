"""The commands of `loupe jobs`, their options and their help; what they do stands in the other modules."""

from __future__ import annotations

from pathlib import Path

import click

from cli.errors import ExitCode
from cli.options import as_json_lines, settings

_JOB = click.argument("job_id", metavar="ID")
_PATH = click.Path(path_type=Path)


@click.group()
def jobs() -> None:
    """List, show, watch, steer and explain jobs.

    \b
    Example:
      loupe jobs list
    """


@jobs.command("list")
@click.option("-n", "count", default=20, show_default=True, type=click.IntRange(1, 200), help="How many, newest first.")
@as_json_lines
def list_jobs(count: int, as_json: bool) -> ExitCode:
    """List the newest jobs.

    \b
    Example:
      loupe jobs list -n 5
    """
    from cli import jobs as command

    return command.list_jobs(settings(), count, as_json=as_json)


@jobs.command()
@_JOB
@as_json_lines
def show(job_id: str, as_json: bool) -> ExitCode:
    """Show a job: its state, its answer or what went wrong, its files.

    \b
    Example:
      loupe jobs show job_01h9zc0v6k2m8q4r7t3w5x9y1a
    """
    from cli import jobs as command

    return command.show(settings(), job_id, as_json=as_json)


@jobs.command()
@_JOB
@click.option("--after", default=0, type=click.IntRange(0), metavar="N", help="Only steps after number N.")
@as_json_lines
def watch(job_id: str, after: int, as_json: bool) -> ExitCode:
    """Show a job's steps, those that happened and those to come; Ctrl-C leaves the job running.

    \b
    Example:
      loupe jobs watch job_01h9zc0v6k2m8q4r7t3w5x9y1a
    """
    from cli import jobs as command

    return command.watch(settings(), job_id, after, as_json=as_json)


@jobs.command()
@_JOB
@as_json_lines
def cancel(job_id: str, as_json: bool) -> ExitCode:
    """Cancel a job; what it stored stays.

    \b
    Example:
      loupe jobs cancel job_01h9zc0v6k2m8q4r7t3w5x9y1a
    """
    from cli import jobs as command

    return command.cancel(settings(), job_id, as_json=as_json)


@jobs.command()
@_JOB
@click.option("--code", "code_sha256", metavar="SHA256", help="Of the code you have seen; without it, it is shown.")
@click.option("--always", "is_for_whole_job", is_flag=True, help="Later code of this job runs without asking.")
@as_json_lines
def approve(job_id: str, code_sha256: str | None, is_for_whole_job: bool, as_json: bool) -> ExitCode:
    """Let the code run that a job asks about.

    Without --code it is shown with what the critic found, and you are asked.

    \b
    Example:
      loupe jobs approve job_01h9zc0v6k2m8q4r7t3w5x9y1a
    """
    from cli import approvals as command

    return command.approve(settings(), job_id, code_sha256, is_for_whole_job=is_for_whole_job, as_json=as_json)


@jobs.command()
@_JOB
@click.option("-m", "--reason", default="", help="Why, for the record.")
@as_json_lines
def reject(job_id: str, reason: str, as_json: bool) -> ExitCode:
    """Do not let the code run that a job asks about; the job ends.

    \b
    Example:
      loupe jobs reject job_01h9zc0v6k2m8q4r7t3w5x9y1a -m "it reads the wrong series"
    """
    from cli import approvals as command

    return command.reject(settings(), job_id, reason, as_json=as_json)


@jobs.command()
@_JOB
@click.argument("program", metavar="FILE", type=_PATH)
@as_json_lines
def edit(job_id: str, program: Path, as_json: bool) -> ExitCode:
    """Put FILE in the place of the code that a job asks about; the critic reviews it, and you are asked again.

    \b
    Example:
      loupe jobs edit job_01h9zc0v6k2m8q4r7t3w5x9y1a analysis.py
    """
    from cli import approvals as command

    return command.edit(settings(), job_id, program, as_json=as_json)


@jobs.command()
@_JOB
@click.argument("choice")
@as_json_lines
def answer(job_id: str, choice: str, as_json: bool) -> ExitCode:
    """Answer what a job asks with one of its choices, by its number.

    \b
    Example:
      loupe jobs answer job_01h9zc0v6k2m8q4r7t3w5x9y1a 2
    """
    from cli import approvals as command

    return command.answer(settings(), job_id, choice, as_json=as_json)


@jobs.command()
@_JOB
@click.option("--after", default=0, type=click.IntRange(0), metavar="N", help="Take over what was done up to step N.")
@click.option("--shorten", "may_shorten", is_flag=True, help="Should the planner fail, get the data, on your approval.")
@as_json_lines
def retry(job_id: str, after: int, may_shorten: bool, as_json: bool) -> ExitCode:
    """Do a job again as a new one, and watch it.

    \b
    Example:
      loupe jobs retry job_01h9zc0v6k2m8q4r7t3w5x9y1a --after 3
    """
    from cli import descendants as command

    return command.retry(settings(), job_id, after, may_shorten=may_shorten, as_json=as_json)


@jobs.command()
@_JOB
@click.option("-p", "--prompt", "question", metavar="QUESTION", help="Another question about the same figures.")
@click.option("--code", "program", metavar="FILE", type=_PATH, help="Other code for the same figures.")
@click.option("--tick", "ticks", multiple=True, metavar="f1.y.2=40", help="The number of an axis's tick, from 0.")
@click.option("--series", multiple=True, metavar="f1.s1=NAME", help="The name of a series, from 0.")
@click.option("--value", "values", multiple=True, metavar="ID=TEXT", help="A value or a cell, as it is printed.")
@click.option("--label", "labels", multiple=True, metavar="f1:READ=RIGHT", help="A category, in every series.")
@as_json_lines
def fork(
    job_id: str,
    question: str | None,
    program: Path | None,
    ticks: tuple[str, ...],
    series: tuple[str, ...],
    values: tuple[str, ...],
    labels: tuple[str, ...],
    as_json: bool,
) -> ExitCode:
    """Do a job again with one thing changed, and watch it: only what follows from the change is done.

    \b
    Example:
      loupe jobs fork job_01h9zc0v6k2m8q4r7t3w5x9y1a -p "What is the mean?"
      loupe jobs fork job_01h9zc0v6k2m8q4r7t3w5x9y1a --value f1.s0.p3.y=1,204
    """
    from cli import descendants as command

    corrections = command.Corrections(ticks, series, values, labels)
    return command.fork(settings(), job_id, question, program, corrections, as_json=as_json)


@jobs.command()
@_JOB
@click.option("--live", is_flag=True, help="Ask every server again, and name the first step that differs.")
@as_json_lines
def replay(job_id: str, live: bool, as_json: bool) -> ExitCode:
    """Make a job's bundle again from its log, and say whether the bytes are the same. Exit code 1 if they are not.

    \b
    Example:
      loupe jobs replay job_01h9zc0v6k2m8q4r7t3w5x9y1a --live
    """
    from cli import descendants as command

    return command.replay(settings(), job_id, is_live=live, as_json=as_json)


@jobs.command()
@_JOB
@click.option(
    "--of", multiple=True, metavar="NODE", help="The way of chart:3, cell:2.2 or number:1 back to the pixels."
)
@click.option("--all", "is_whole", is_flag=True, help="Every cell and mark, however many.")
@as_json_lines
def explain(job_id: str, of: tuple[str, ...], is_whole: bool, as_json: bool) -> ExitCode:
    """Show what each number of a job's answer, data and chart comes from: pixels, values, lines of code, who allowed.

    \b
    Example:
      loupe jobs explain job_01h9zc0v6k2m8q4r7t3w5x9y1a
      loupe jobs explain job_01h9zc0v6k2m8q4r7t3w5x9y1a --of chart:3
    """
    from cli import explaining as command

    return command.explain(settings(), job_id, of, is_whole=is_whole, as_json=as_json)


@jobs.command()
@_JOB
@click.option("-o", "--out", type=_PATH, metavar="FILE", help="Where to. Default: ID.zip")
def export(job_id: str, out: Path | None) -> ExitCode:
    """Write all of a job into one zip: bundle, inputs, log, and the notebook with its outputs.

    \b
    Example:
      loupe jobs export job_01h9zc0v6k2m8q4r7t3w5x9y1a -o coffee.zip
    """
    from cli import accounts as command

    return command.export(settings(), job_id, out)
