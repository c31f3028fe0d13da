"""Makes what an installation in containers is given as files: `python -m cli.provision secrets`.

    secrets/keys/           the local key, and each server's key pair, as a laptop has them under LOUPE_HOME
    secrets/tls/<process>/  a certificate for each process, for servers on several machines
    secrets/authority/      what signed them; stays with the operator
    secrets/settings/       settings that are secret, each in a file of its name (LOUPE_SECRETS_DIR)
    secrets/*               passwords in the form that PostgreSQL, Redis and Langfuse read; tokens of others, empty

What is there stays, but for certificates in their last 30 days. With --kubernetes the same is printed as manifests of
secrets, for `kubectl apply -f -`.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import secrets
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cli.certificates import Issued, expires, issue, make_authority
from servers.kit.keys import KeyFolder
from servers.kit.services import SERVICES
from servers.kit.tls import TlsFolder

NAMESPACE = "loupe"
SANDBOX_NAMESPACE = "loupe-sandbox"
"""Of its own, so that whoever may read secrets beside it has none to read."""

SERVERS = tuple(service.name for service in SERVICES)
PROCESSES = (*SERVERS, "worker", "gateway")
RENEWED_BEFORE = timedelta(days=30)


def provision(folder: Path) -> None:
    """Make what is missing in a folder that only its owner can enter."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    keys = KeyFolder(folder / "keys")
    keys.ensure(SERVERS)
    for path in keys.path.rglob("*.pem"):
        _let_containers_read(path)
    (keys.path / "public").chmod(0o755)
    _let_containers_read(keys.path / "api.sha256")
    _make_certificates(folder)
    _make_passwords(folder)


def namespace_of(process: str) -> str:
    """Return the Kubernetes namespace of a process."""
    return SANDBOX_NAMESPACE if process == "sandbox" else NAMESPACE


def hosts_of(process: str) -> tuple[str, ...]:
    """Return the names by which a process is called on a cluster."""
    service = f"loupe-{process}"
    return (f"{service}.{namespace_of(process)}.svc", service)


def kubernetes_secrets(folder: Path) -> list[dict[str, Any]]:
    """Return the manifests of all secrets that k8s/ mounts; each process's own are secrets of their own."""
    return [_manifest(*secret) for secret in _secrets(folder)]


def _secrets(folder: Path) -> Iterator[tuple[str, str, Mapping[str, Path]]]:
    keys, settings = folder / "keys", folder / "settings"
    public = {"api.sha256": keys / "api.sha256"} | {f"{name}.pem": keys / "public" / f"{name}.pem" for name in SERVERS}
    for namespace in (NAMESPACE, SANDBOX_NAMESPACE):
        yield namespace, "loupe-public-keys", public
    for name in SERVERS:
        if name != "sandbox":  # which signs nothing and calls nobody
            yield NAMESPACE, f"loupe-key-{name}", {f"{name}.pem": keys / f"{name}.pem"}
    for name in PROCESSES:
        files = {file.name: file for file in (folder / "tls" / name).iterdir()}
        yield namespace_of(name), f"loupe-tls-{name}", files
    for secret, variables in (
        ("loupe-database", ["LOUPE_DATABASE_URL"]),
        ("loupe-queue", ["LOUPE_REDIS_URL"]),
        ("loupe-objects", ["LOUPE_FILES_S3_ACCESS_KEY", "LOUPE_FILES_S3_SECRET_KEY"]),
    ):
        yield NAMESPACE, secret, {name: settings / name for name in variables}
    yield NAMESPACE, "postgres", {"password": folder / "postgres_password"}
    yield NAMESPACE, "redis", {"users.acl": folder / "redis_users.acl"}


def _manifest(namespace: str, name: str, files: Mapping[str, Path]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "loupe"}},
        "type": "Opaque",
        "data": {key: base64.b64encode(path.read_bytes()).decode() for key, path in sorted(files.items())},
    }


def _make_certificates(folder: Path) -> None:
    authority = _authority(folder / "authority")
    for process in PROCESSES:
        made = TlsFolder(folder / "tls" / process)
        made.path.mkdir(parents=True, exist_ok=True)
        is_good = made.certificate.exists() and (
            expires(made.certificate.read_bytes()) - datetime.now(UTC) > RENEWED_BEFORE
            and made.authority.read_bytes() == authority.certificate
        )
        if is_good:
            continue
        issued = issue(authority, hosts_of(process))
        for path, content in (
            (made.authority, authority.certificate),
            (made.key, issued.key),
            (made.certificate, issued.certificate),  # last, since it says whether the others are there
        ):
            path.unlink(missing_ok=True)
            path.write_bytes(content)
            _let_containers_read(path)


def _authority(folder: Path) -> Issued:
    certificate, key = folder / "ca.crt", folder / "ca.key"
    if not certificate.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        made = make_authority()
        key.write_bytes(made.key)
        key.chmod(0o600)
        certificate.write_bytes(made.certificate)
    return Issued(certificate.read_bytes(), key.read_bytes())


def _make_passwords(folder: Path) -> None:
    settings = folder / "settings"
    settings.mkdir(exist_ok=True)
    postgres, redis, langfuse_redis = (secrets.token_hex(24) for _ in range(3))
    _write_once(settings / "LOUPE_FILES_S3_ACCESS_KEY", secrets.token_hex(10))
    _write_once(settings / "LOUPE_FILES_S3_SECRET_KEY", secrets.token_hex(24))
    if not (folder / "postgres_password").exists():
        _write(settings / "LOUPE_DATABASE_URL", f"postgresql://loupe:{postgres}@postgres:5432/loupe")
        _write(folder / "postgres_password", postgres)
    if not (folder / "redis_users.acl").exists():
        _write(settings / "LOUPE_REDIS_URL", f"redis://loupe:{redis}@redis:6379/0")
        _write(folder / "redis_users.acl", _redis_users(redis, langfuse_redis))
        (folder / "langfuse.env").unlink(missing_ok=True)
    _write_once(folder / "langfuse.env", _langfuse_environment(folder, langfuse_redis))
    for token in ("hf_token", "cloudflare_token"):
        _write_once(folder / token, "")


def _redis_users(password: str, langfuse_password: str) -> str:
    # Anybody on its network may ask whether it lives; only who knows a password may do more.
    users = [("loupe", password), ("langfuse", langfuse_password)]
    lines = [f"user {name} on #{hashlib.sha256(word.encode()).hexdigest()} ~* &* +@all" for name, word in users]
    return "\n".join(["user default on nopass -@all +ping", *lines, ""])


def _langfuse_environment(folder: Path, redis_password: str) -> str:
    """Return Langfuse's settings; it reads secrets from the environment only. Hexadecimal, so nothing needs quoting."""
    public, secret = f"pk-lf-{secrets.token_hex(8)}", f"sk-lf-{secrets.token_hex(16)}"
    values = {
        "DATABASE_URL": f"postgresql://loupe:{(folder / 'postgres_password').read_text()}@postgres:5432/langfuse",
        "REDIS_CONNECTION_STRING": f"redis://langfuse:{redis_password}@redis:6379/1",
        "LANGFUSE_S3_EVENT_UPLOAD_ACCESS_KEY_ID": (folder / "settings/LOUPE_FILES_S3_ACCESS_KEY").read_text(),
        "LANGFUSE_S3_EVENT_UPLOAD_SECRET_ACCESS_KEY": (folder / "settings/LOUPE_FILES_S3_SECRET_KEY").read_text(),
        "NEXTAUTH_SECRET": secrets.token_hex(32),
        "SALT": secrets.token_hex(16),
        "ENCRYPTION_KEY": secrets.token_hex(32),
        "CLICKHOUSE_PASSWORD": secrets.token_hex(16),
        "LANGFUSE_INIT_PROJECT_PUBLIC_KEY": public,
        "LANGFUSE_INIT_PROJECT_SECRET_KEY": secret,
        "LANGFUSE_INIT_USER_PASSWORD": secrets.token_hex(12),
        "LANGFUSE_AUTHORIZATION": "Basic " + base64.b64encode(f"{public}:{secret}".encode()).decode(),
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _write_once(path: Path, content: str) -> None:
    if not path.exists():
        _write(path, content)


def _write(path: Path, content: str) -> None:
    path.unlink(missing_ok=True)
    path.write_text(content)
    _let_containers_read(path)


def _let_containers_read(path: Path) -> None:
    # A container's user is not the operator and sees only what is mounted; the folder keeps everybody else out.
    path.chmod(0o444)


def main(arguments: list[str] | None = None) -> int:
    """Make the folder, and print it as manifests where that is asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m cli.provision",
        description="Makes the keys, certificates and passwords of an installation in containers.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where they are kept; what is there stays")
    parser.add_argument("--kubernetes", action="store_true", help="print them as manifests for kubectl apply -f -")
    chosen = parser.parse_args(arguments)
    try:
        provision(chosen.folder)
        if chosen.kubernetes:
            listed = {"apiVersion": "v1", "kind": "List", "items": kubernetes_secrets(chosen.folder)}
            json.dump(listed, sys.stdout, indent=1)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
