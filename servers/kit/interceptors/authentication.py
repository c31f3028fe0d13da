"""Knows the caller by key or service token and holds it against the role that the RPC declares."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping

from loupe.type.v1.access_pb2 import Role
from servers.kit import identity
from servers.kit.errors import RoleTooLow, Unauthenticated
from servers.kit.identity import LOCAL_SUBJECT, Caller
from servers.kit.interceptors.call import Aspect, Call
from servers.kit.keys import API_KEY_PREFIX, KeyFolder
from servers.kit.tokens import verify_service_token

HEADER = "authorization"
_SCHEME = "Bearer "
_CASCADE = (Role.ROLE_VIEWER, Role.ROLE_ANALYST, Role.ROLE_OPERATOR)


def authentication(server: str, keys: KeyFolder, required_roles: Mapping[str, Role.ValueType]) -> Aspect:
    """Return the aspect for one server.

    Args:
      server: audience that service tokens must name.
      keys: who may call.
      required_roles: by method, such as "/loupe.files.v1.FilesService/GetFile". A missing method is refused to all.
    """
    api_key_sha256 = keys.api_key_sha256()
    public_keys = keys.public_keys()
    # Checking a signature costs 0.15 ms and a server sends the same token for half a minute.
    known: dict[str, tuple[Caller, float]] = {}
    local = Caller(LOCAL_SUBJECT, Role.ROLE_OPERATOR)

    def who(token: str) -> Caller:
        if token.startswith(API_KEY_PREFIX):
            digest = hashlib.sha256(token.encode()).hexdigest()
            if not secrets.compare_digest(digest, api_key_sha256):
                raise Unauthenticated("the key is not valid")
            return local
        now = time.time()
        if token in known and known[token][1] > now:
            return known[token][0]
        claims = verify_service_token(token, public_keys, audience=server)
        caller = Caller(claims.subject, claims.role, service=claims.service)
        if len(known) >= 1000:
            known.clear()
        known[token] = (caller, claims.expire_time_s)
        return caller

    def aspect(call: Call) -> None:
        header = call.metadata.get(HEADER, "")
        if not header.startswith(_SCHEME):
            raise Unauthenticated('the call has no key: send "authorization: Bearer <key>"')
        caller = who(header.removeprefix(_SCHEME).strip())
        if not _may(caller, required_roles.get(call.method, Role.ROLE_UNSPECIFIED)):
            needed = Role.Name(required_roles.get(call.method, Role.ROLE_UNSPECIFIED))
            raise RoleTooLow(f"{call.method} needs {needed}, the key has {Role.Name(caller.role)}")
        identity.act_for(caller, request_id=identity.request_id(), deadline=identity.deadline())

    return aspect


def _may(caller: Caller, needed: Role.ValueType) -> bool:
    if needed == Role.ROLE_SERVICE:
        return bool(caller.service)
    if needed not in _CASCADE or caller.role not in _CASCADE:
        return False
    return _CASCADE.index(caller.role) >= _CASCADE.index(needed)
