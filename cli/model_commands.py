"""The commands of `loupe models`, their options and their help; what they do stands in the other modules."""

from __future__ import annotations

import click

from cli.errors import ExitCode
from cli.options import settings


@click.group()
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
