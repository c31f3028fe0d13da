"""Writes Envoy's configuration: `python -m gateway.envoy --out envoy.yaml --check`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gateway.envoy.bootstrap import as_yaml, bootstrap
from gateway.envoy.config import GatewaySettings
from gateway.envoy.validate import InvalidConfig, validate
from servers.kit.config import load


def main(arguments: list[str] | None = None) -> int:
    """Write the file and return the exit status: 0, or 1 where it can't be written or Envoy refuses it."""
    parser = argparse.ArgumentParser(
        prog="python -m gateway.envoy",
        description="Writes Envoy's configuration from the contracts and the environment.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where to write it")
    parser.add_argument("--check", action="store_true", help="ask Envoy whether it would start with it")
    chosen = parser.parse_args(arguments)
    config = as_yaml(bootstrap(load(GatewaySettings)))
    try:
        chosen.out.write_text(config)
        if chosen.check:
            validate(chosen.out)
    except (OSError, InvalidConfig) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
