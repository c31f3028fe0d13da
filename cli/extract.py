"""`loupe extract`: the data of images as CSV files, and all that was read as JSON."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import grpc

from cli import figure_files, images, lifecycle, wording
from cli.config import Settings
from cli.connection import Connection, again, connect, failure
from cli.errors import CommandFailed, ExitCode, reason_of, worst
from loupe.vision.v1.vision_pb2 import AnalyzeImageRequest, AnalyzeImageResponse


@dataclass(frozen=True, slots=True)
class _Read:
    """An image that was read."""

    response: AnalyzeImageResponse
    took_s: float


def extract(settings: Settings, paths: Sequence[Path], out: Path) -> ExitCode:
    """Write the figures of each image as JSON and each as a CSV file; return the worst of the images' codes."""
    good, codes = images.readable(paths)
    if not good:
        return worst(codes)
    images.make_folder(out)
    address = lifecycle.ensure_running(settings)
    codes += asyncio.run(_extract_all(address, settings.keys.api_key(), good, out, settings.images_at_once))
    return worst(codes)


async def _extract_all(address: str, key: str, paths: Sequence[Path], out: Path, at_once: int) -> list[ExitCode]:
    stems = images.OutputNames()
    named = [(path, stems.take(path.stem)) for path in paths]
    places = asyncio.Semaphore(at_once)
    async with connect(address, key) as connection, asyncio.TaskGroup() as group:
        reading = [group.create_task(_read(connection, path, places)) for path in paths]
        # Told and written in the order they were named, whichever is read first.
        return [_write(path, stem, await task, out, stems) for (path, stem), task in zip(named, reading, strict=True)]


async def _read(connection: Connection, path: Path, places: asyncio.Semaphore) -> _Read | CommandFailed:
    """Return what vision reads from an image, or why it can't."""
    async with places:
        started = time.monotonic()
        try:
            file = await connection.upload(path)
            try:
                response = await again(
                    lambda: connection.vision.AnalyzeImage(AnalyzeImageRequest(file=file), metadata=connection.metadata)
                )
            finally:
                await connection.forget(file)
        except grpc.aio.AioRpcError as error:
            return failure(error)
        except OSError as error:
            return CommandFailed(reason_of(error))
    return _Read(response, time.monotonic() - started)


def _write(path: Path, stem: str, read: _Read | CommandFailed, out: Path, names: images.OutputNames) -> ExitCode:
    """Write an image's figures and tell of each; tell why where there is none."""
    about = images.shown(path)
    if isinstance(read, CommandFailed):
        click.echo(f"loupe: {about}: {read.message}", err=True)
        return read.exit_code
    if not read.response.figures:
        click.echo(f"{about}: nothing to read: {wording.nothing_because(read.response)}", err=True)
        return ExitCode.UNANSWERABLE
    took = f" ({read.took_s:.1f} s)"
    try:
        for figure, target in figure_files.write(read.response.figures, stem, out, names):
            click.echo(f"{about} … {wording.figure(figure)}{took} → {images.shown(target)}")
            took = ""
    except OSError as error:
        click.echo(f"loupe: {images.shown(out / stem)}: {reason_of(error)}", err=True)
        return ExitCode.FAILED
    return ExitCode.ANSWERED
