"""Settings of the codegen server."""

from __future__ import annotations

from pydantic import Field

from servers.kit.models.settings import ModelSettings


class Settings(ModelSettings, env_prefix="LOUPE_CODEGEN_"):
    """What the codegen server reads from the environment: nothing but its engine's settings."""

    max_output_tokens: int = Field(default=1200, ge=1)
    """Longest program of the model, about 100 lines: DeepSeek-Coder-7B-v1.5 has 4096 tokens for prompt and answer together."""  # noqa: E501 - one line of .env.example
