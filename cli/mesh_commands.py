"""The commands for the mesh of this machine: their options and their help; what they do stands in the other modules."""

from __future__ import annotations

import sys

import click

from cli.errors import ExitCode
from cli.options import settings


@click.command()
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


@click.command()
def down() -> ExitCode:
    """Stop the mesh that `loupe up` started.

    \b
    Example:
      loupe down
    """
    from cli import lifecycle

    return lifecycle.down(settings())


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(as_json: bool) -> ExitCode:
    """Show every server; exit code 0 only if all serve.

    \b
    Example:
      loupe status --json
    """
    from cli import status as command

    return command.status(settings(), as_json=as_json)


@click.command()
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
