"""The table of measured quality: how well a model reads a kind of figure. `python -m tests.bench.quality` makes it.

    {"models": {"gpu/qwen-vl": {"revision": "r7", "kinds": {"bar": {"fidelity": 0.97, "count": 8}, ...}}, ...}, ...}

Written by hand it may be as short as {"gpu/qwen-vl": {"bar": 0.97}}. Fidelity is a share, 0 to 1; what else stands in
the file says how it was measured, and is for people.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from servers.kit.errors import NotReady

Quality = Mapping[str, Mapping[str, float]]
"""Model, as "provider/model" → kind of figure → fidelity."""

_LOG = logging.getLogger(__name__)


def read_quality(path: Path | None, revisions: Mapping[str, str]) -> Quality:
    """Return the fidelities in a file; nothing where none is configured.

    What was measured of another revision than the configured one says nothing of it, and is left out with a warning.

    Args:
      revisions: of the configured models, empty where the configuration names none.
    Raises:
      NotReady: the file is no such table.
    """
    if path is None:
        return {}
    try:
        table = orjson.loads(path.expanduser().read_bytes())
        measured = table.get("models")
        if measured is None:
            return {str(model): _kinds(kinds) for model, kinds in table.items()}
        found = {}
        for model, entry in measured.items():
            revision = str(entry.get("revision", ""))
            if revision and revisions.get(model) and revision != revisions[model]:
                _LOG.warning(
                    "measured quality is of another revision",
                    extra={"model": model, "measured": revision, "configured": revisions[model]},
                )
                continue
            found[str(model)] = _kinds(entry["kinds"])
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise NotReady(f"quality_file: {path} is no table of fidelities: {error}") from error
    return found


def _kinds(kinds: Any) -> dict[str, float]:
    return {str(kind): _fidelity(value) for kind, value in kinds.items()}


def _fidelity(value: Any) -> float:
    number = value["fidelity"] if isinstance(value, dict) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1:
        raise ValueError(f"{number!r} is no fidelity in 0..1")
    return float(number)
