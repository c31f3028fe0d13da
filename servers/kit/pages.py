"""Page tokens: where a list ordered by time and id goes on."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

from servers.kit.errors import InvalidField


def write_token(create_time: datetime, row_id: str) -> str:
    """Return the token that names a row as the last one seen."""
    return base64.urlsafe_b64encode(f"{create_time.isoformat()} {row_id}".encode()).decode()


def read_token(token: str) -> tuple[datetime, str]:
    """Return the last row's time and id. Raises InvalidField for a token that is not one of ours."""
    try:
        when, _, row_id = base64.urlsafe_b64decode(token).decode().partition(" ")
        return datetime.fromisoformat(when), row_id
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise InvalidField("page_token", "is not a token of this list") from error
