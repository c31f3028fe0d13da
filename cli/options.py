"""What several commands take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from cli.config import Settings

APPROVALS = {"never": "APPROVAL_MODE_NEVER", "risky": "APPROVAL_MODE_RISKY", "always": "APPROVAL_MODE_ALWAYS"}
"""Names of loupe.orchestrator.v1.ApprovalMode by what a user writes."""

as_json_lines = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON lines, as the REST interface has them."
)


def settings() -> Settings:
    """Return the settings from the environment, or end the process with what is wrong with them."""
    from cli.config import Settings
    from servers.kit.config import load

    return load(Settings)
