"""Random identifiers: `file_...`, `job_...`; unguessable, and saying nothing."""

from __future__ import annotations

import secrets

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
_LENGTH = 26  # 130 bits


def new_id(kind: str) -> str:
    """Return a fresh id such as "job_01h9..." for a kind such as "job"."""
    return f"{kind}_" + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
