"""Settings every server has, read once from the environment.

A server's own settings subclass `ServerSettings` with its prefix. .env.example prints the docstring under each field.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict

from servers.kit.keys import KeyFolder
from servers.kit.tls import TlsFolder

# The kernel's sun_path holds 108 bytes with the closing zero.
MAX_SOCKET_PATH_BYTES = 107
_ADDRESS = re.compile(r"unix:/.+|[^\s:/]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")
_LONGEST_SOCKET = "/run/orchestrator.sock"


class MeshSettings(BaseSettings):
    """What every process of an installation shares."""

    model_config = SettingsConfigDict(env_prefix="LOUPE_", frozen=True, extra="ignore", use_attribute_docstrings=True)

    home: Path = Field(default=Path("~/.loupe"), validation_alias="LOUPE_HOME")
    """Folder of keys, sockets, records and logs. Only its owner may read it."""

    keys_dir: Path | None = Field(default=None, validation_alias="LOUPE_KEYS_DIR")
    """Folder of the keys. Default: keys/ under LOUPE_HOME."""

    public_keys_dir: Path | None = Field(default=None, validation_alias="LOUPE_PUBLIC_KEYS_DIR")
    """Folder of every server's public key. Default: public/ in the folder of the keys."""

    tls_dir: Path | None = Field(default=None, validation_alias="LOUPE_TLS_DIR")
    """Folder of this process's tls.crt and tls.key and of the mesh's ca.crt. Set, servers listen at HOST:PORT, and are
    called there, by mutual TLS; on unix sockets never."""

    secrets_dir: Path | None = Field(default=None, validation_alias="LOUPE_SECRETS_DIR")
    """Folder of settings that are kept as files: LOUPE_DATABASE_URL in a file of that name, and so on. The environment
    goes before it."""

    files_address: str = Field(default="", validation_alias="LOUPE_FILES_ADDRESS")
    """Where the files server is: unix:PATH or HOST:PORT. Default: its socket under LOUPE_HOME; likewise below."""

    vision_address: str = Field(default="", validation_alias="LOUPE_VISION_ADDRESS")
    """Where the vision server is."""

    speech_address: str = Field(default="", validation_alias="LOUPE_SPEECH_ADDRESS")
    """Where the speech server is."""

    reasoning_address: str = Field(default="", validation_alias="LOUPE_REASONING_ADDRESS")
    """Where the reasoning server is."""

    codegen_address: str = Field(default="", validation_alias="LOUPE_CODEGEN_ADDRESS")
    """Where the codegen server is."""

    critic_address: str = Field(default="", validation_alias="LOUPE_CRITIC_ADDRESS")
    """Where the critic server is."""

    sandbox_address: str = Field(default="", validation_alias="LOUPE_SANDBOX_ADDRESS")
    """Where the sandbox server is."""

    router_address: str = Field(default="", validation_alias="LOUPE_ROUTER_ADDRESS")
    """Where the router is."""

    openai_address: str = Field(default="", validation_alias="LOUPE_OPENAI_ADDRESS")
    """Where the router answers OpenAI-compatible HTTP."""

    orchestrator_address: str = Field(default="", validation_alias="LOUPE_ORCHESTRATOR_ADDRESS")
    """Where the orchestrator is."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", validation_alias="LOUPE_LOG_LEVEL")
    """Least severe message that is logged."""

    otlp_endpoint: str = Field(default="", validation_alias="LOUPE_OTLP_ENDPOINT")
    """Where traces go (OTLP over gRPC), such as http://127.0.0.1:4317. Empty: no telemetry is loaded at all."""

    @field_validator("home")
    @classmethod
    def _home_is_usable(cls, value: Path) -> Path:
        path = value.expanduser().absolute()
        length = len(str(path).encode()) + len(_LONGEST_SOCKET)
        if length > MAX_SOCKET_PATH_BYTES:
            raise ValueError(
                f"{path} makes socket paths of {length} bytes, at most {MAX_SOCKET_PATH_BYTES}: choose a shorter folder"
            )
        return path

    @field_validator(
        *("files_address", "vision_address", "speech_address", "reasoning_address", "codegen_address"),
        *("critic_address", "sandbox_address", "router_address", "openai_address", "orchestrator_address"),
    )
    @classmethod
    def _address_is_usable(cls, value: str) -> str:
        if value and not _ADDRESS.fullmatch(value):
            raise ValueError(f"{value!r} is neither unix:PATH nor HOST:PORT")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what is given, then the environment, then the folder of secrets that the environment names."""
        # Which folder is a setting itself, and pydantic asks for it before it reads any.
        secrets = SecretsSettingsSource(settings_cls, os.environ.get("LOUPE_SECRETS_DIR") or None)
        return init_settings, env_settings, secrets

    @property
    def keys(self) -> KeyFolder:
        """The installation's keys."""
        own = self.keys_dir.expanduser().absolute() if self.keys_dir else self.home / "keys"
        return KeyFolder(own, self.public_keys_dir)

    @property
    def tls(self) -> TlsFolder | None:
        """This process's certificate, where servers are on several machines."""
        return TlsFolder(self.tls_dir) if self.tls_dir else None

    @property
    def run_dir(self) -> Path:
        """Folder of the sockets (0700)."""
        return self.home / "run"

    def address_of(self, server: str) -> str:
        """Return where a server listens: unix:PATH or HOST:PORT."""
        return str(getattr(self, f"{server}_address")) or f"unix:{self.run_dir / f'{server}.sock'}"


class ServerSettings(MeshSettings):
    """What every server has besides. Subclasses set their own `env_prefix`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    listen: str = ""
    """Where to listen: unix:PATH or HOST:PORT, port 0 for a free one. Default: the server's address."""

    health_listen: str = Field(default="", validation_alias="LOUPE_HEALTH_LISTEN")
    """HOST:PORT where health alone is answered, without TLS or key: the kubelet's probes speak no TLS. Default: nowhere
    but where the server listens."""

    max_concurrent_calls: int = Field(default=64, ge=1)
    """Unary calls in work at one time; more are answered RESOURCE_EXHAUSTED."""

    max_concurrent_streams: int = Field(default=1000, ge=1)
    """Streaming calls at one time."""

    default_deadline_s: float = Field(default=60.0, gt=0)
    """Time of a unary call whose caller set no deadline."""

    drain_s: float = Field(default=5.0, ge=0)
    """Time that running calls get to end when the server stops."""


S = TypeVar("S", bound=MeshSettings)


def load(settings: type[S]) -> S:
    """Return the settings from the environment, or end the process with one line for each wrong variable."""
    try:
        return settings()
    except ValidationError as error:
        for problem in error.errors():
            name = str(problem["loc"][0]) if problem["loc"] else settings.__name__
            if not name.startswith("LOUPE_"):
                name = f"{settings.model_config.get('env_prefix') or ''}{name}".upper()
            sys.stderr.write(f"{name}: {problem['msg'].removeprefix('Value error, ')}\n")
        raise SystemExit(2) from None
