"""Settings of the router. Its providers, models, prices and budgets are a file of their own: see `configuration`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from servers.kit.config import ServerSettings


class Settings(ServerSettings):
    """Read from LOUPE_ROUTER_*."""

    model_config = SettingsConfigDict(env_prefix="LOUPE_ROUTER_")

    providers_file: Path | None = None
    """TOML file of providers, models, routes and budgets. Default: router.toml under LOUPE_HOME, where there is one."""

    max_concurrent_calls: int = Field(default=512, ge=1)
    """Unary calls in work at one time; they wait for models, which costs this server little."""

    default_deadline_s: float = Field(default=300.0, gt=0)
    """Time of a call whose caller set no deadline; OpenAI-compatible streams included."""

    max_body_kib: int = Field(default=8192, ge=1)
    """Largest body of an OpenAI-compatible call, images as base64 included."""

    max_image_mib: int = Field(default=20, ge=1)
    """Largest image that is read by reference for a model."""

    max_audio_mib: int = Field(default=25, ge=1)
    """Largest recording that is taken in a form, or read by reference for a model; OpenAI's own limit."""

    max_held_audio_mib: int = Field(default=512, ge=1)
    """Recordings in work at one time, on either surface; each takes up to four times its size until it is answered."""

    ledger_flush_s: float = Field(default=0.05, gt=0, le=5)
    """Longest time that a record is only in the journal: what a power cut, though no crash, may lose."""

    @property
    def providers_path(self) -> Path:
        """The file of providers."""
        return self.providers_file.expanduser() if self.providers_file else self.home / "router.toml"
