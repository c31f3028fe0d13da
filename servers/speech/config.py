"""Settings of the speech server."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from servers.kit.models.settings import ModelSettings


class Settings(ModelSettings):
    """Read from LOUPE_SPEECH_*."""

    model_config = SettingsConfigDict(env_prefix="LOUPE_SPEECH_")

    default_deadline_s: float = Field(default=600.0, gt=0)
    """Longest time of a call that is not streamed and whose caller names none."""

    workers: int = Field(default=1, ge=1, le=64)
    """Processes that decode recordings and recognise words, each one recording at a time. They start with the first recording."""  # noqa: E501 - one line of .env.example

    worker_idle_s: float = Field(default=60.0, gt=0)
    """Time after which a worker without work ends, and gives its 150 MB back."""

    max_waiting: int = Field(default=8, ge=0)
    """Recordings that wait for a worker; more are answered RESOURCE_EXHAUSTED."""

    max_recording_mib: int = Field(default=100, ge=1, le=1024)
    """Largest file that is decoded."""

    max_recording_s: float = Field(default=1800.0, gt=0, le=4 * 3600)
    """Longest recording, counted while it is decoded, whatever its header announces."""

    max_step_s: float = Field(default=120.0, gt=0)
    """Longest time to decode a recording, or to recognise 20 s of it."""

    worker_memory_mib: int = Field(default=2048, ge=0)
    """Most address space of a worker; 0 for no limit."""
