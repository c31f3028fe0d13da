"""Settings of the gateway, read once from the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from servers.kit.config import MeshSettings

HEARTBEAT_S = 15
"""How often a watched job shows that its stream lives; a stream may be silent for longer than this."""


class GatewaySettings(MeshSettings):
    """Where the gateway listens, and what it allows before a server is asked."""

    model_config = SettingsConfigDict(env_prefix="LOUPE_GATEWAY_", populate_by_name=True)

    host: str = "127.0.0.1"
    """Address to listen on. Any but loopback opens the installation to the network, protected by its keys alone."""

    port: int = Field(default=8000, ge=0, le=65535, validation_alias="LOUPE_PORT")
    """TCP port of gRPC, gRPC-Web, REST and server-sent events. 0 takes a free one."""

    worker_threads: int = Field(default=2, ge=1, le=64)
    """Threads that carry traffic."""

    unary_timeout_s: float = Field(default=60.0, gt=0)
    """Longest time of a call that does not stream. A caller's shorter deadline holds."""

    vision_timeout_s: float = Field(default=60.0, gt=0)
    """The same for vision, whose engine may be a large model."""

    speech_timeout_s: float = Field(default=600.0, gt=0)
    """The same for speech; the builtin engine takes half of a recording's length, longer ones are better streamed."""

    reasoning_timeout_s: float = Field(default=60.0, gt=0)
    """The same for reasoning."""

    codegen_timeout_s: float = Field(default=60.0, gt=0)
    """The same for codegen."""

    router_timeout_s: float = Field(default=300.0, gt=0)
    """The same for the router, whose answers come from large models."""

    stream_idle_timeout_s: float = Field(default=300.0, gt=HEARTBEAT_S)
    """Silence after which a stream is cut, in either direction. Streams have no other time limit."""

    connect_timeout_s: float = Field(default=1.0, gt=0)
    """Longest time to connect to a server."""

    health_interval_s: float = Field(default=1.0, gt=0)
    """How often each server is asked for its health."""

    max_request_kib: int = Field(default=1024, ge=1)
    """Largest body of a REST call that does not stream; uploads are bounded by the files server."""

    max_openai_request_kib: int = Field(default=8192, ge=1)
    """Largest body of an OpenAI-compatible call, whose images are base64 within it."""

    max_openai_audio_kib: int = Field(default=25 * 1024 + 128, ge=1)
    """Largest form of an OpenAI-compatible transcription: its recording, and what stands around it."""

    max_response_kib: int = Field(default=16384, ge=1)
    """Largest JSON made of an answer in one piece. JSON may be several times as large as its message."""

    max_header_kib: int = Field(default=32, ge=1, le=8192)
    """All headers of a request together."""

    max_streams_per_connection: int = Field(default=128, ge=1)
    """Concurrent calls on one HTTP/2 connection."""

    max_connections: int = Field(default=1000, ge=1)
    """Concurrent connections of callers."""

    max_heap_mib: int = Field(default=512, ge=64)
    """Memory of the gateway; at 95 % of it new requests are refused, to be retried."""

    def timeout_s(self, server: str) -> float:
        """Return the longest time of a call to this server that does not stream."""
        own: float = getattr(self, f"{server}_timeout_s", self.unary_timeout_s)
        return own

    @property
    def config_path(self) -> Path:
        """Where the configuration that runs is written."""
        return self.run_dir / "envoy.yaml"

    @property
    def log_path(self) -> Path:
        """Envoy's own log."""
        return self.home / "logs" / "envoy.log"

    @property
    def admin_socket(self) -> Path:
        """Envoy's administration, on a socket in the folder that only its owner may enter."""
        return self.run_dir / "envoy-admin.sock"
