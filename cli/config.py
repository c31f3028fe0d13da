"""Settings of the command line, read once from the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from servers.kit.config import MeshSettings


class Settings(MeshSettings):
    """Where the mesh of this machine is, and how long the command line waits for it."""

    model_config = SettingsConfigDict(env_prefix="LOUPE_CLI_")

    port: int = Field(default=8000, ge=1, le=65535, validation_alias="LOUPE_PORT")
    """TCP port of the gateway on 127.0.0.1."""

    start_timeout_s: float = Field(default=60.0, gt=0)
    """Longest time that `loupe up` waits for every server."""

    operator_key: Path | None = Field(default=None, validation_alias="LOUPE_OPERATOR_KEY")
    """Private Ed25519 key (PEM) with which `loupe sandbox run` signs what no critic has seen; nobody but its owner may
    be able to read it. Unset: that command is refused."""

    hub_url: str = Field(default="https://huggingface.co", validation_alias="LOUPE_HUB_URL")
    """Where `loupe models pull` finds models by name: any server of the Hugging Face Hub's HTTP."""

    hub_token: SecretStr = Field(default=SecretStr(""), validation_alias="LOUPE_HUB_TOKEN")
    """Sent to that address, and nowhere else it may lead. Empty: only what everybody may read."""

    images_at_once: int = Field(default=2, ge=1, le=16)
    """Images that `loupe extract` has in work at one time."""

    @property
    def logs_dir(self) -> Path:
        """Folder of one log file a process."""
        return self.home / "logs"

    @property
    def address(self) -> str:
        """HOST:PORT of the gateway."""
        return f"127.0.0.1:{self.port}"
