"""One provider's address over gRPC: checked, timed, its dead connections left behind, its statuses told apart."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import grpc

from servers.kit import identity
from servers.router import failures
from servers.router.configuration import ProviderSection
from servers.router.failures import ProviderFailure
from servers.router.locality import is_local_address

MAX_ANSWER_BYTES = 16 * 1024 * 1024
Options = list[tuple[str, Any]]
Connect = Callable[[str, Options, bool], Any]
"""Makes a client, which has an async `close`, of a target, options, and whether TLS is spoken."""

# Of an ask outside any call; inside one, what is left of it.
_LONGEST_S = 3600.0
_CLASS_OF_CODE = {
    grpc.StatusCode.RESOURCE_EXHAUSTED: failures.RATE,
    grpc.StatusCode.UNAUTHENTICATED: failures.AUTH,
    grpc.StatusCode.PERMISSION_DENIED: failures.AUTH,
    grpc.StatusCode.DEADLINE_EXCEEDED: failures.TIMEOUT,
    grpc.StatusCode.UNAVAILABLE: failures.UNREACHABLE,
    grpc.StatusCode.NOT_FOUND: failures.UNREACHABLE,
    grpc.StatusCode.UNIMPLEMENTED: failures.UNREACHABLE,
}


@dataclass(slots=True)
class Link:
    """One connection, and how many asks are on it."""

    client: Any
    users: int = 0
    is_retired: bool = False

    def retire(self) -> None:
        """Put no more asks on it; it is closed after the last one."""
        self.is_retired = True


class GrpcAddress:
    """Asks one address, over a connection at a time."""

    def __init__(self, section: ProviderSection, connect: Connect, *, default_port: int, local_only: bool) -> None:
        parts = urlsplit(section.base_url)
        self._host, self._port = parts.hostname or "", parts.port or default_port
        self._is_secure = parts.scheme == "grpcs"
        self._section = section
        self._connect = connect
        self._local_only = local_only
        self._link: Link | None = None

    @asynccontextmanager
    async def linked(self) -> AsyncIterator[Link]:
        """Keep a connection for one ask. Raises ProviderFailure."""
        if self._link is None or self._link.is_retired:
            self._link = Link(self._connect(await self._resolved(), self._options(), self._is_secure))
        link = self._link
        link.users += 1
        try:
            yield link
        finally:
            link.users -= 1
            if link.is_retired and not link.users:
                await link.client.close()

    async def responses(self, start: Callable[[Any, float], Any]) -> AsyncGenerator[Any, None]:
        """Yield the responses of one call; leaving it cancels the call.

        Args:
          start: begins the call, given the client and the seconds that it may take.
        Raises:
          ProviderFailure: the call failed, or nothing came in time.
        """
        loop = asyncio.get_running_loop()
        deadline = identity.deadline()
        left_s = _LONGEST_S if deadline is None else max(deadline - loop.time(), 0.001)
        async with self.linked() as link:
            call = start(link.client, left_s)
            responses = aiter(call)
            until = loop.time() + self._section.first_token_timeout_s
            has_begun = False
            is_alive = False
            try:
                while True:
                    async with asyncio.timeout_at(until):
                        response = await anext(responses)
                    is_alive = has_begun = True
                    yield response
                    is_alive = False
                    until = loop.time() + self._section.stall_timeout_s
            except StopAsyncIteration:
                is_alive = True
                return
            except TimeoutError as error:
                if has_begun:
                    limit_s = self._section.stall_timeout_s
                    raise ProviderFailure(failures.STALL, f"no response for {limit_s:g} s") from error
                limit_s = self._section.first_token_timeout_s
                raise ProviderFailure(failures.TIMEOUT, f"no response within {limit_s:g} s") from error
            except grpc.aio.AioRpcError as error:
                if has_begun and error.code() == grpc.StatusCode.UNAVAILABLE:
                    raise ProviderFailure(failures.MALFORMED, "the answer was cut off") from error
                raise failure_of(error.code(), error.details() or "") from error
            finally:
                call.cancel()
                if not is_alive:
                    # Nothing came when something was waited for: the connection itself may be dead, and gRPC would
                    # put the next asks on it. They get a new one; those under way keep this.
                    link.retire()

    async def close(self) -> None:
        """Let go of the connection."""
        if self._link is not None:
            await self._link.client.close()

    def _options(self) -> Options:
        options: Options = [
            ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
            ("grpc.max_send_message_length", -1),
            ("grpc.enable_http_proxy", 0),  # a proxy named in the environment would see prompts and keys
            ("grpc.use_local_subchannel_pool", 1),  # else a new channel would share the old one's connection
            # The breaker decides when to try again; by itself gRPC would wait up to two minutes.
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 2000),
            ("grpc.default_authority", f"{self._host}:{self._port}"),
        ]
        if self._is_secure:
            options.append(("grpc.ssl_target_name_override", self._host))
        return options

    async def _resolved(self) -> str:
        """Return the addresses behind the host's name as gRPC takes them, only local ones where no others may be."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise ProviderFailure(failures.UNREACHABLE, "no address") from error
        kept = sorted(
            {(family, str(at[0])) for family, *_, at in found if not self._local_only or is_local_address(str(at[0]))}
        )
        if not kept:
            raise ProviderFailure(failures.UNREACHABLE, "the address is not on this network, and local_only is true")
        family = kept[0][0]
        hosts = [f"[{host}]" if family == socket.AF_INET6 else host for of, host in kept if of == family]
        scheme = "ipv6" if family == socket.AF_INET6 else "ipv4"
        return f"{scheme}:" + ",".join(f"{host}:{self._port}" for host in hosts)


def failure_of(code: grpc.StatusCode, message: str) -> ProviderFailure:
    """Return the failure that a gRPC status stands for; of its message only the class is kept."""
    if "larger than max" in message:  # gRPC's own words, under RESOURCE_EXHAUSTED
        return ProviderFailure(failures.MALFORMED, f"a response has over {MAX_ANSWER_BYTES} bytes")
    if code in _CLASS_OF_CODE:
        return ProviderFailure(_CLASS_OF_CODE[code], f"gRPC {code.name}")
    error: dict[str, Any] = {"message": message}
    if code == grpc.StatusCode.INVALID_ARGUMENT:
        error["code"] = 400
    return ProviderFailure(failures.of_error_object(error).kind, f"gRPC {code.name}")
