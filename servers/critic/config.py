"""Settings of the critic."""

from __future__ import annotations

from pydantic import Field

from servers.kit.config import ServerSettings


class Settings(ServerSettings, env_prefix="LOUPE_CRITIC_"):
    """The critic's own settings; its signing key is critic.pem in the key folder."""

    review_timeout_s: float = Field(default=30.0, gt=0)
    """Time for one review by all checkers together. What takes longer is not approved."""

    ruff_timeout_s: float = Field(default=10.0, gt=0)
    """Time for one answer of ruff. After that it is started again, once."""
