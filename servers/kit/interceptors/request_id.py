"""Gives every call the id under which all servers log it."""

from __future__ import annotations

import re

from servers.kit import identity
from servers.kit.ids import new_id
from servers.kit.interceptors.call import Call

HEADER = "x-request-id"
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id(call: Call) -> None:
    """Take the caller's id where it is well formed, else make one."""
    given = call.metadata.get(HEADER, "")
    identity.set_request_id(given if _WELL_FORMED.fullmatch(given) else new_id("req"))
