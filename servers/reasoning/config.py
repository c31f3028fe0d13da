"""Settings of the reasoning server."""

from __future__ import annotations

from servers.kit.models.settings import ModelSettings


class Settings(ModelSettings, env_prefix="LOUPE_REASONING_"):
    """What the reasoning server reads from the environment: nothing but its engine's settings."""
