"""`loupe models pull`: a model's weights onto this machine, whole and checked, for use without a network."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from cli.config import Settings
from cli.errors import CommandFailed, ExitCode
from servers.kit.errors import InvalidField, LoupeError
from servers.kit.models import weights
from servers.kit.models.weights import Source, WeightFile
from servers.kit.models.weights_folder import FolderSource
from servers.kit.models.weights_hub import HubSource


def pull(settings: Settings, what: str, *, revision: str, name: str | None) -> ExitCode:
    """Pull a model by its name at the hub, or from a folder."""
    folder = Path(what).expanduser()
    source: Source
    if folder.is_dir():
        name = name or folder.resolve().name
        source = FolderSource(folder)
    else:
        name = name or what
        source = HubSource(settings.hub_url, what, revision=revision, token=settings.hub_token.get_secret_value())
    try:
        weights.folder_of(settings.home, name)
        with _progress() as progress:
            bars = _Bars(progress)
            model = weights.pull(settings.home, name, source, told=bars.told)
    except InvalidField as error:
        raise CommandFailed(error.message, ExitCode.USAGE) from None
    except LoupeError as error:
        raise CommandFailed(error.message) from None
    Console().print(
        f"{model.name}  {model.revision[:12]}  {model.size_bytes / 2**20:,.1f} MiB in {len(model.files)} files  "
        f"{weights.folder_of(settings.home, model.name)}",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
    return ExitCode.ANSWERED


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


class _Bars:
    """A line for each file that is being fetched."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def told(self, file: WeightFile, size_bytes: int) -> None:
        """Show how much of a file is there."""
        if file.path not in self._tasks:
            self._tasks[file.path] = self._progress.add_task(file.path, total=file.size_bytes)
        self._progress.update(self._tasks[file.path], completed=size_bytes)
