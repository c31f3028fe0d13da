"""`loupe correct`: figures with what a person saw better, and the data that follows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import click
import grpc

from cli import corrections, figure_files, images, lifecycle, wording
from cli.config import Settings
from cli.connection import again, connect, failure
from cli.errors import CommandFailed, ExitCode, reason_of
from loupe.type.v1.figure_pb2 import Figure
from loupe.vision.v1.vision_pb2 import Correction, RecalibrateChartRequest


def correct(
    settings: Settings,
    path: Path,
    out: Path,
    *,
    ticks: Sequence[str],
    series: Sequence[str],
    values: Sequence[str],
    labels: Sequence[str],
) -> ExitCode:
    """Write the figures of a JSON file again, corrected, with their CSV files; tell what changed."""
    figures = figure_files.read(path)
    wanted = corrections.parse(figures, ticks, series, values, labels)
    images.make_folder(out)
    address = lifecycle.ensure_running(settings)
    changed = asyncio.run(_correct(address, settings.keys.api_key(), figures, wanted))
    try:
        for figure, target in figure_files.write(figures, path.stem, out, images.OutputNames([path.stem])):
            count = changed.get(figure.figure_id)
            told = f", {wording.counted(count, 'value')} changed" if count is not None else ""
            click.echo(f"{figure.figure_id} … {wording.figure(figure)}{told} → {images.shown(target)}")
    except OSError as error:
        raise CommandFailed(f"{images.shown(out)}: {reason_of(error)}") from None
    return ExitCode.ANSWERED


async def _correct(
    address: str, key: str, figures: list[Figure], wanted: Mapping[str, Sequence[Correction]]
) -> dict[str, int]:
    """Put corrected figures in their places; return how many values changed in each, by figure id."""
    changed = {}
    async with connect(address, key) as connection:
        for place, figure in enumerate(figures):
            if figure.figure_id not in wanted:
                continue
            request = RecalibrateChartRequest(figure=figure, corrections=wanted[figure.figure_id])
            call = partial(connection.vision.RecalibrateChart, request, metadata=connection.metadata)
            try:
                response = await again(call)
            except grpc.aio.AioRpcError as error:
                raise failure(error, figure.figure_id) from None
            figures[place] = response.figure
            changed[figure.figure_id] = len(response.changed_value_ids)
    return changed
