"""Asks a server of this machine for its health, as a container's health check: `python -m servers.kit.probe vision`."""

from __future__ import annotations

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic_settings import SettingsConfigDict

from servers.kit.config import ServerSettings
from servers.kit.services import BY_NAME
from servers.kit.tls import is_local

_TIMEOUT_S = 3.0


def address_of(server: str, settings: ServerSettings) -> str:
    """Return where a server of this machine answers health without TLS.

    Raises:
      ValueError: it answers nowhere without.
    """
    address = settings.health_listen or settings.listen or settings.address_of(server)
    if settings.tls_dir and not settings.health_listen and not is_local(address):
        raise ValueError(f"{server} speaks TLS only: set LOUPE_HEALTH_LISTEN")
    for everywhere in ("0.0.0.0:", "[::]:"):
        if address.startswith(everywhere):
            return f"127.0.0.1:{address.removeprefix(everywhere)}"
    return address


def _settings_of(server: str) -> ServerSettings:
    class Settings(ServerSettings):
        model_config = SettingsConfigDict(env_prefix=f"LOUPE_{BY_NAME[server].name.upper()}_")

    return Settings()


def main(arguments: list[str]) -> int:
    """Return 0 where the named server serves; else say on stderr what it does, and return 1."""
    (server,) = arguments
    try:
        address = address_of(server, _settings_of(server))
        with grpc.insecure_channel(address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            state = stub.Check(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_S, wait_for_ready=True).status
    except (grpc.RpcError, ValueError) as error:
        sys.stderr.write(f"{server}: {error}\n")
        return 1
    if state == health_pb2.HealthCheckResponse.SERVING:
        return 0
    sys.stderr.write(f"{server}: {health_pb2.HealthCheckResponse.ServingStatus.Name(state)}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
