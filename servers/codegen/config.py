"""Settings of the codegen server."""

from __future__ import annotations

from servers.kit.models.settings import ModelSettings


class Settings(ModelSettings, env_prefix="LOUPE_CODEGEN_"):
    """What the codegen server reads from the environment: nothing but its engine's settings."""
