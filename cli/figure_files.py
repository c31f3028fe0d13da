"""Figures on this disk: all of an image as STEM.json, as a bundle's chart.json has them, and each as CSV."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from cli import figures_csv, images
from cli.bundle_folder import write_whole
from cli.errors import CommandFailed, ExitCode, reason_of
from loupe.type.v1.figure_pb2 import Figure
from servers.kit import wire_json


def write(figures: Sequence[Figure], stem: str, out: Path, names: images.OutputNames) -> Iterator[tuple[Figure, Path]]:
    """Write the figures as STEM.json and each as CSV, the first as STEM.csv; yield each with its CSV file.

    Raises:
      OSError: this disk refused; it names the file.
    """
    write_whole(out / f"{stem}.json", wire_json.to_document(figures).encode())
    for place, figure in enumerate(figures):
        target = out / f"{names.take(stem) if place else stem}.csv"
        write_whole(target, figures_csv.to_csv(figure).encode())
        yield figure, target


def read(path: Path) -> list[Figure]:
    """Return the figures of a JSON file.

    Raises:
      CommandFailed: it can't be read, or holds no list of figures.
    """
    about = images.shown(path)
    try:
        found = json.loads(path.read_bytes())
        if not isinstance(found, list) or not found:
            raise ValueError("is no list of figures, as `loupe extract` writes it")
        return [wire_json.parse(json.dumps(one), Figure) for one in found]
    except (OSError, ValueError, RecursionError) as error:
        told = reason_of(error) if isinstance(error, OSError) else " ".join(str(error).split())
        raise CommandFailed(f"{about}: {told}", ExitCode.USAGE) from None
