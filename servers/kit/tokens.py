"""Signed tokens (JWT, Ed25519): who calls on whose behalf, and which code may run once."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from loupe.type.v1.access_pb2 import Role
from servers.kit.errors import CodeNotAuthorized, Unauthenticated

CODE_TOKEN_LIFETIME_S = 60
SERVICE_TOKEN_LIFETIME_S = 60
SANDBOX_AUDIENCE = "sandbox"
_ALGORITHM = "EdDSA"
# Clocks of two machines differ by less in any cluster that keeps time.
_LEEWAY_S = 5


@dataclass(frozen=True, slots=True)
class CodeClaims:
    """What a code token says: this source, under this policy, for this step of this job, once."""

    code_sha256: str
    policy_version: str
    job_id: str
    step: int
    attempt: int
    jti: str = ""
    """Names the token; made when it is signed."""
    issuer: str = ""
    """Who signed: "critic", or "orchestrator" for a person's approval."""
    needs_approval: bool = False
    """The code runs only with a person's approval token beside this one."""
    expire_time_s: int = 0
    """Seconds since 1970; made when it is signed."""


def sign_code_token(private_key: Ed25519PrivateKey, claims: CodeClaims, *, issuer: str) -> str:
    """Return a token for the sandbox that lives 60 s and has a fresh jti."""
    now = int(time.time())
    payload = {
        "iss": issuer,
        "aud": SANDBOX_AUDIENCE,
        "iat": now,
        "exp": now + CODE_TOKEN_LIFETIME_S,
        "jti": secrets.token_urlsafe(16),
        "code_sha256": claims.code_sha256,
        "policy_version": claims.policy_version,
        "job_id": claims.job_id,
        "step": claims.step,
        "attempt": claims.attempt,
        "needs_approval": claims.needs_approval,
    }
    return jwt.encode(payload, private_key, algorithm=_ALGORITHM)


def verify_code_token(token: str, public_key: Ed25519PublicKey, *, code_sha256: str, issuer: str) -> CodeClaims:
    """Return the claims of a token that is genuine, alive and for exactly this code.

    Raises:
      CodeNotAuthorized: it is none of these; the message says which.
    Whether the jti was used before is the caller's to know.
    """
    if not token:
        raise CodeNotAuthorized(f"the code has no token from the {issuer}")
    required = ["iss", "aud", "exp", "jti", "code_sha256", "policy_version", "job_id", "step", "attempt"]
    try:
        payload: dict[str, Any] = jwt.decode(
            token,
            public_key,
            algorithms=[_ALGORITHM],
            audience=SANDBOX_AUDIENCE,
            issuer=issuer,
            leeway=_LEEWAY_S,
            options={"require": required},
        )
    except jwt.InvalidTokenError as error:
        raise CodeNotAuthorized(f"the token from the {issuer} is not valid: {error}") from error
    if not secrets.compare_digest(str(payload["code_sha256"]), code_sha256):
        raise CodeNotAuthorized(f"the token from the {issuer} is for other code")
    return CodeClaims(
        code_sha256=code_sha256,
        policy_version=str(payload["policy_version"]),
        job_id=str(payload["job_id"]),
        step=int(payload["step"]),
        attempt=int(payload["attempt"]),
        jti=str(payload["jti"]),
        issuer=issuer,
        needs_approval=bool(payload.get("needs_approval", False)),
        expire_time_s=int(payload["exp"]),
    )


@dataclass(frozen=True, slots=True)
class ServiceClaims:
    """What a service token says: this server calls that one, for this owner."""

    service: str
    audience: str
    subject: str
    role: Role.ValueType
    expire_time_s: int = 0


def sign_service_token(private_key: Ed25519PrivateKey, claims: ServiceClaims) -> str:
    """Return a token that lets one server call another for an owner, for 60 s."""
    now = int(time.time())
    payload = {
        "iss": claims.service,
        "aud": claims.audience,
        "sub": claims.subject,
        "role": Role.Name(claims.role),
        "iat": now,
        "exp": now + SERVICE_TOKEN_LIFETIME_S,
    }
    return jwt.encode(payload, private_key, algorithm=_ALGORITHM)


def verify_service_token(token: str, public_keys: dict[str, Ed25519PublicKey], *, audience: str) -> ServiceClaims:
    """Return the claims of a genuine token meant for this server.

    Raises:
      Unauthenticated: it is not.
    """
    try:
        issuer = str(jwt.decode(token, options={"verify_signature": False}).get("iss", ""))
        if issuer not in public_keys:
            raise Unauthenticated("the token is from no server of this mesh")
        payload: dict[str, Any] = jwt.decode(
            token,
            public_keys[issuer],
            algorithms=[_ALGORITHM],
            audience=audience,
            leeway=_LEEWAY_S,
            options={"require": ["iss", "aud", "sub", "role", "exp"]},
        )
        role = Role.Value(str(payload["role"]))
    except (jwt.InvalidTokenError, ValueError) as error:
        raise Unauthenticated("the token is not valid") from error
    return ServiceClaims(issuer, audience, str(payload["sub"]), role, int(payload["exp"]))
