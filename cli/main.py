"""The command line's entry point: what commands there are, and how each ends.

Each command imports what it needs when it runs, so that `loupe --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from cli.data_commands import analyze, correct, extract, transcribe
from cli.errors import Cancelled, CommandFailed, ExitCode, reason_of
from cli.job_commands import jobs
from cli.mesh_commands import down, logs, status, up
from cli.model_commands import models
from cli.operator_commands import erase, sandbox


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


for _command in (up, down, status, logs, analyze, extract, correct, transcribe, jobs, models, erase, sandbox):
    loupe.add_command(_command)


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
