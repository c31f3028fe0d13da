"""Settings of the reasoning server."""

from __future__ import annotations

from typing import Literal

from servers.kit.config import ServerSettings


class Settings(ServerSettings, env_prefix="LOUPE_REASONING_"):
    """What the reasoning server reads from the environment."""

    engine: Literal["builtin"] = "builtin"
    """Which engine answers. "builtin" needs no model and gives the same answer to the same request."""
