"""Settings of the files server."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from servers.kit.config import ServerSettings


class Settings(ServerSettings):
    """Read from LOUPE_FILES_*."""

    model_config = SettingsConfigDict(env_prefix="LOUPE_FILES_")

    max_upload_mib: int = Field(default=25, ge=1, le=4095)
    """Largest file that is taken; what goes over is refused while it arrives."""

    max_pixels: int = Field(default=50_000_000, ge=1)
    """Most pixels an image's header may announce."""
