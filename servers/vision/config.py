"""Settings of the vision server."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from servers.kit.models.settings import ModelSettings


class Settings(ModelSettings):
    """Read from LOUPE_VISION_*."""

    model_config = SettingsConfigDict(env_prefix="LOUPE_VISION_")

    workers: int = Field(default=1, ge=1, le=64)
    """Processes that read images, each one image at a time and about 100 MB when idle."""

    max_waiting: int = Field(default=16, ge=0)
    """Images that wait for a worker; more are answered RESOURCE_EXHAUSTED."""

    max_image_mib: int = Field(default=50, ge=1, le=1024)
    """Largest image file that is read."""

    max_pixels: int = Field(default=50_000_000, ge=1)
    """Most pixels an image's header may announce."""

    max_image_s: float = Field(default=30.0, gt=0)
    """Longest time that one image may take."""

    worker_memory_mib: int = Field(default=2048, ge=0)
    """Most address space of a worker; 0 for no limit."""

    model_max_pixels: int = Field(default=1_003_520, ge=1, le=16_000_000)
    """Of the image that a model is shown; larger ones are made smaller. 1280 image tokens of Qwen2.5-VL (its model card's example)."""  # noqa: E501 - one line of .env.example

    model_by_kind: bool = False
    """Tell the router the kind of figure that was read, for routes by measured quality or by kind; the model is then asked after the reading, not beside it."""  # noqa: E501 - one line of .env.example

    max_output_tokens: int = Field(default=4096, ge=1)
    """Longest answer of the model: about 250 values."""
