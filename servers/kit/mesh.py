"""The other servers, as one server sees them."""

from __future__ import annotations

from functools import cached_property

import grpc

from servers.kit import telemetry
from servers.kit.channels import ServiceTokens, open_channel
from servers.kit.config import MeshSettings
from servers.kit.files_client import FilesClient


class Mesh:
    """Channels to the servers this one calls, opened when first asked for."""

    def __init__(self, server: str, settings: MeshSettings) -> None:
        self._server = server
        self._settings = settings
        self._channels: dict[str, grpc.aio.Channel] = {}

    @cached_property
    def _tokens(self) -> ServiceTokens:
        # Made at the first channel, so that a server which calls nobody (the sandbox) never reads a private key.
        return ServiceTokens(self._server, self._settings.keys)

    def channel(self, server: str) -> grpc.aio.Channel:
        """Return the channel to a server of the table in `servers.kit.services`."""
        if server not in self._channels:
            self._channels[server] = open_channel(
                self._settings.address_of(server),
                server,
                self._tokens,
                telemetry.client_interceptors(self._settings.otlp_endpoint),
                self._settings.tls,
            )
        return self._channels[server]

    @cached_property
    def files(self) -> FilesClient:
        """The files server."""
        return FilesClient(self.channel("files"))

    async def close(self) -> None:
        """Close every channel."""
        for channel in self._channels.values():
            await channel.close()
