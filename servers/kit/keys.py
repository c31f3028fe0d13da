"""The keys of an installation, as files in one folder (0700).

    api.key             the local user's key (0600); the CLI reads it
    api.sha256          its digest, by which servers know it
    <server>.pem        a server's private Ed25519 key (0600)
    public/<server>.pem its public key

The first start of anything makes what is missing. A server reads its own private key and everybody's public ones.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

API_KEY_PREFIX = "lk_"


@dataclass(frozen=True, slots=True)
class KeyFolder:
    """The folder that holds an installation's keys."""

    path: Path

    public_path: Path | None = None
    """Folder of the public keys, where it is not public/ in this one."""

    def ensure(self, servers: Iterable[str]) -> None:
        """Make the local key and each server's key pair, where missing; safe from several processes at once.

        In a folder of somebody else's, such as a mounted secret, nothing is made: it holds what its process may know.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = self.path.stat()
        if status.st_uid != os.geteuid() or self.public_path:
            return
        if status.st_mode & 0o077:
            self.path.chmod(0o700)
        self._public.mkdir(mode=0o700, exist_ok=True)
        with _open_private(self.path / ".lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (self.path / "api.sha256").exists():
                key = API_KEY_PREFIX + secrets.token_urlsafe(32)
                _write_private(self.path / "api.key", key.encode())
                _write_private(self.path / "api.sha256", hashlib.sha256(key.encode()).hexdigest().encode())
            for server in servers:
                if not (self._public / f"{server}.pem").exists():
                    private = Ed25519PrivateKey.generate()
                    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
                    _write_private(self.path / f"{server}.pem", pem)
                    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
                    _write_private(self._public / f"{server}.pem", public)

    @property
    def _public(self) -> Path:
        return self.public_path or self.path / "public"

    def api_key(self) -> str:
        """Return the local user's key."""
        return (self.path / "api.key").read_text().strip()

    def api_key_sha256(self) -> str:
        """Return the digest by which the local user's key is known."""
        return (self.path / "api.sha256").read_text().strip()

    def private(self, server: str) -> Ed25519PrivateKey:
        """Return a server's own signing key."""
        key = load_pem_private_key((self.path / f"{server}.pem").read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"{server}.pem is not an Ed25519 key")
        return key

    def public(self, server: str) -> Ed25519PublicKey:
        """Return the key by which a server's signatures are checked."""
        key = load_pem_public_key((self._public / f"{server}.pem").read_bytes())
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError(f"public/{server}.pem is not an Ed25519 key")
        return key

    def public_keys(self) -> dict[str, Ed25519PublicKey]:
        """Return every server's public key by the server's name."""
        return {path.stem: self.public(path.stem) for path in sorted(self._public.glob("*.pem"))}


def _open_private(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    partial = path.with_suffix(".partial")
    with _open_private(partial) as file:
        file.write(content)
        # On the disk before its name is: after a power cut a key is there or not, but never empty.
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
