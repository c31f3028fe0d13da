"""Settings of the codegen server."""

from __future__ import annotations

from typing import Literal

from servers.kit.config import ServerSettings


class Settings(ServerSettings, env_prefix="LOUPE_CODEGEN_"):
    """What the codegen server reads from the environment."""

    engine: Literal["builtin"] = "builtin"
    """Which engine answers. "builtin" needs no model and gives the same answer to the same request."""
