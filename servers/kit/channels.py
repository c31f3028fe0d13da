"""Channels to other servers: each call carries who asks, under which request, and until when.

Safe calls (named in SAFE_METHODS) are retried by gRPC itself when a server can't be reached, within a budget that keeps
a storm from growing (retryThrottling: every failure costs one token, every success gives 0.1 back).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from grpc.aio import ClientCallDetails, Metadata

from servers.kit import identity
from servers.kit.errors import DeadlineExceeded
from servers.kit.keys import KeyFolder
from servers.kit.limits import MAX_MESSAGE_BYTES
from servers.kit.tls import TlsFolder, is_local
from servers.kit.tokens import SERVICE_TOKEN_LIFETIME_S, ServiceClaims, sign_service_token

# Reads, and calls whose answer depends on nothing but their request.
SAFE_METHODS = (
    ("loupe.files.v1.FilesService", "GetFile"),
    ("loupe.files.v1.FilesService", "ListFiles"),
    ("loupe.files.v1.FilesService", "ListOldUploads"),
    ("loupe.files.v1.FilesService", "DownloadFile"),
    ("loupe.vision.v1.VisionService", "AnalyzeImage"),
    ("loupe.speech.v1.SpeechService", "Transcribe"),
    ("loupe.reasoning.v1.ReasoningService", "DecideNextAction"),
    ("loupe.codegen.v1.CodegenService", "GenerateCode"),
    ("loupe.codegen.v1.CodegenService", "RepairCode"),
    ("loupe.critic.v1.CriticService", "ReviewCode"),
    ("loupe.critic.v1.CriticService", "AuthorizeRun"),
    ("loupe.sandbox.v1.SandboxService", "GetCapabilities"),
)
_SERVICE_CONFIG = json.dumps(
    {
        # A name may stand for several replicas (a headless Kubernetes service): each gets its share of the calls.
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {
                "name": [{"service": service, "method": method} for service, method in SAFE_METHODS],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "0.5s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
        "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
    }
)
OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.service_config", _SERVICE_CONFIG),
    ("grpc.enable_retries", 1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A server that restarts is found again within moments of its listening, not in grpc's twenty seconds: sooner than
    # the repetitions above are over.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 100),
)


class ServiceTokens:
    """Makes this server's tokens, one for each server called and owner served, and keeps them half their life."""

    def __init__(self, service: str, keys: KeyFolder) -> None:
        self._service = service
        self._key = keys.private(service)
        self._made: dict[tuple[str, str, int], tuple[str, float]] = {}

    def token_for(self, audience: str) -> str:
        """Return a token on behalf of the running call's owner."""
        caller = identity.caller()
        key = (audience, caller.subject, caller.role)
        token, until = self._made.get(key, ("", 0.0))
        now = time.monotonic()
        if now >= until:
            token = sign_service_token(self._key, ServiceClaims(self._service, audience, caller.subject, caller.role))
            if len(self._made) >= 1000:
                self._made.clear()
            self._made[key] = (token, now + SERVICE_TOKEN_LIFETIME_S / 2)
        return token


class _Outgoing:
    """Adds identity, request id and deadline to a call's details."""

    def __init__(self, audience: str, tokens: ServiceTokens) -> None:
        self._audience = audience
        self._tokens = tokens

    def _with_context(self, details: ClientCallDetails) -> ClientCallDetails:
        metadata = Metadata(*(details.metadata or ()))
        metadata.add("authorization", f"Bearer {self._tokens.token_for(self._audience)}")
        if identity.request_id():
            metadata.add("x-request-id", identity.request_id())
        timeout = details.timeout
        until = identity.deadline()
        if until is not None:
            remaining = until - asyncio.get_running_loop().time()
            if remaining <= 0:
                raise DeadlineExceeded(f"no time is left to ask {self._audience}")
            timeout = remaining if timeout is None else min(timeout, remaining)
        return ClientCallDetails(details.method, timeout, metadata, details.credentials, details.wait_for_ready)


Continuation = Callable[[ClientCallDetails, Any], Any]


class _UnaryUnary(_Outgoing, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(
        self, continuation: Continuation, client_call_details: ClientCallDetails, request: Any
    ) -> Any:
        return await continuation(self._with_context(client_call_details), request)


class _UnaryStream(_Outgoing, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(
        self, continuation: Continuation, client_call_details: ClientCallDetails, request: Any
    ) -> Any:
        return await continuation(self._with_context(client_call_details), request)


class _StreamUnary(_Outgoing, grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(
        self, continuation: Continuation, client_call_details: ClientCallDetails, request_iterator: Any
    ) -> Any:
        return await continuation(self._with_context(client_call_details), request_iterator)


class _StreamStream(_Outgoing, grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(
        self, continuation: Continuation, client_call_details: ClientCallDetails, request_iterator: Any
    ) -> Any:
        return await continuation(self._with_context(client_call_details), request_iterator)


def open_channel(
    address: str,
    audience: str,
    tokens: ServiceTokens,
    more: Sequence[grpc.aio.ClientInterceptor] = (),
    tls: TlsFolder | None = None,
) -> grpc.aio.Channel:
    """Return a channel to a server; it connects at its first call and again after every loss.

    Args:
      tls: what to show at HOST:PORT, and whom to believe there; unix sockets are without.
    Raises:
      OSError: a certificate can't be read.
    """
    own = [kind(audience, tokens) for kind in (_UnaryUnary, _UnaryStream, _StreamUnary, _StreamStream)]
    if tls is None or is_local(address):
        return grpc.aio.insecure_channel(address, options=OPTIONS, interceptors=[*more, *own])
    credentials = tls.channel_credentials()
    return grpc.aio.secure_channel(address, credentials, options=OPTIONS, interceptors=[*more, *own])
