"""The connections to one provider: made when needed, kept for the next ask, to nobody but the configured address."""

from __future__ import annotations

import asyncio
import socket
import ssl
from urllib.parse import quote, urlsplit

from servers.router import failures
from servers.router.failures import ProviderFailure
from servers.router.http1.connection import Connection
from servers.router.locality import is_local_address

# Under the 5 s after which uvicorn, the server of vLLM, closes an idle connection: a request that meets the closing
# is lost.
KEEP_IDLE_S = 3.0


class Connections:
    """Connects to one base URL; other providers share none of it.

    No proxy of the environment is asked, no cookie is kept and no redirect followed. How many there are at a time is
    bounded by the provider's places.
    """

    def __init__(self, base_url: str, *, connect_timeout_s: float, local_only: bool) -> None:
        parts = urlsplit(base_url)
        assert parts.hostname  # the configuration takes no URL without one
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._connect_timeout_s = connect_timeout_s
        self._local_only = local_only
        self._loop = asyncio.get_running_loop()
        self._idle: list[tuple[float, Connection]] = []
        """When each came back; the latest last."""
        self._sweep: asyncio.TimerHandle | None = None
        self._is_closed = False
        self.host_header = parts.netloc.encode("idna" if not parts.netloc.isascii() else "ascii")
        self.path = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~-._").encode()

    async def take(self, until: float) -> Connection:
        """Return a connection that can be asked. Raises ProviderFailure, TimeoutError at the loop's time `until`."""
        now = self._loop.time()
        while self._idle:
            since, connection = self._idle.pop()
            if connection.can_be_asked and now - since < KEEP_IDLE_S:
                return connection
            connection.close()
        connect_until = now + self._connect_timeout_s
        try:
            async with asyncio.timeout_at(min(until, connect_until)):
                return await self._connect()
        except TimeoutError as error:
            if until <= connect_until:
                raise
            # Not as where nobody listens: to ask again would take as long again.
            raise ProviderFailure(failures.TIMEOUT, f"no connection within {self._connect_timeout_s:g} s") from error
        except OSError as error:  # of which a refused certificate is one
            raise ProviderFailure(failures.UNREACHABLE, "no connection") from error

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next ask, or close it where its answer was not heard to the end."""
        if self._is_closed or not connection.can_be_asked:
            connection.close()
            return
        self._idle.append((self._loop.time(), connection))
        if self._sweep is None:
            self._sweep = self._loop.call_later(KEEP_IDLE_S, self._close_old)

    def close(self) -> None:
        """Close those that are kept, and keep no more."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for _, connection in self._idle:
            connection.close()
        self._idle.clear()

    def _close_old(self) -> None:
        before = self._loop.time() - KEEP_IDLE_S
        for since, connection in self._idle:
            if since <= before:
                connection.close()
        self._idle = [kept for kept in self._idle if kept[0] > before]
        self._sweep = self._loop.call_at(self._idle[0][0] + KEEP_IDLE_S, self._close_old) if self._idle else None

    async def _connect(self) -> Connection:
        """Return a connection to the first address of the host that takes it. Raises OSError."""
        refused: OSError | None = None
        for address in await addresses_of(self._host, self._port, local_only=self._local_only):
            try:
                _, connection = await self._loop.create_connection(
                    Connection,
                    address,
                    self._port,
                    ssl=self._tls,
                    server_hostname=self._host if self._tls else None,
                )
                return connection
            except OSError as error:
                refused = error
        assert refused is not None  # a host that is found has an address
        raise refused


async def addresses_of(host: str, port: int, *, local_only: bool) -> list[str]:
    """Return the IP addresses of a host. Raises OSError where it has none that may be connected to.

    A local name that points outside is none: checked here again, since names change.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
    if local_only:
        addresses = [address for address in addresses if is_local_address(address)]
        if not addresses:
            raise OSError(f"{host} is not on this network, and local_only is true")
    return addresses
