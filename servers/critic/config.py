"""Settings of the critic."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from servers.kit.models.settings import ModelSettings


class Settings(ModelSettings, env_prefix="LOUPE_CRITIC_"):
    """The critic's own settings; its signing key is critic.pem in the key folder.

    With the engine "builtin" no model reviews. With another the fallback decides what happens without its model: ""
    approves nothing, "builtin" goes on and says so in each verdict.
    """

    review_timeout_s: float = Field(default=30.0, gt=0)
    """Time for one review by all checkers together, a model's apart. What takes longer is not approved."""

    ruff_timeout_s: float = Field(default=10.0, gt=0)
    """Time for one answer of ruff. After that it is started again, once."""

    model_severity: Literal["low", "medium", "high"] = "medium"
    """The most that a finding of the model counts."""

    model_denies: bool = False
    """Whether a finding of the model that counts as high denies the program. Never approves one."""
