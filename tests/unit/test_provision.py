"""What an installation in containers is given: complete, kept, and each process's own kept from the others."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from cli import provision
from cli.certificates import expires
from servers.files.config import Settings as FilesSettings
from servers.kit.keys import KeyFolder
from servers.kit.tls import TlsFolder


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("provision") / "secrets"
    provision.provision(made)
    return made


def test_what_was_made_stays(folder):
    before = contents(folder)
    provision.provision(folder)
    assert contents(folder) == before


def test_nobody_else_enters_the_folder_and_only_the_operator_reads_the_local_key_and_the_authoritys(folder):
    def mode(name):
        return stat.S_IMODE((folder / name).stat().st_mode)

    assert (mode("."), mode("keys/api.key"), mode("authority/ca.key")) == (0o700, 0o600, 0o600)
    assert (mode("keys/critic.pem"), mode("tls/vision/tls.key"), mode("settings/LOUPE_DATABASE_URL")) == (0o444,) * 3


def test_a_certificate_in_its_last_month_is_made_anew_and_no_other(folder, monkeypatch):
    vision, critic = (TlsFolder(folder / "tls" / name) for name in ("vision", "critic"))
    old = {"vision": vision.certificate.read_bytes(), "critic": critic.certificate.read_bytes()}

    def soon(certificate):
        return datetime.now(UTC) + timedelta(days=29) if certificate == old["vision"] else expires(certificate)

    monkeypatch.setattr(provision, "expires", soon)
    provision.provision(folder)
    assert vision.certificate.read_bytes() != old["vision"]
    assert critic.certificate.read_bytes() == old["critic"]


def test_a_certificate_names_the_service_of_its_process_in_its_namespace(folder):
    def names(process):
        certificate = x509.load_pem_x509_certificate((folder / "tls" / process / "tls.crt").read_bytes())
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.DNSName
        )

    assert names("vision") == ["loupe-vision.loupe.svc", "loupe-vision"]
    assert names("sandbox") == ["loupe-sandbox.loupe-sandbox.svc", "loupe-sandbox"]


def test_settings_are_read_from_the_folder_of_secrets_and_the_environment_goes_before_it(folder, monkeypatch):
    monkeypatch.setenv("LOUPE_SECRETS_DIR", str(folder / "settings"))
    monkeypatch.setenv("LOUPE_FILES_S3_SECRET_KEY", "from the environment")
    settings = FilesSettings(s3_endpoint="http://minio:9000")
    password = (folder / "postgres_password").read_text()
    assert settings.shared_database_url.get_secret_value() == f"postgresql://loupe:{password}@postgres:5432/loupe"
    assert settings.s3_access_key.get_secret_value() == (folder / "settings/LOUPE_FILES_S3_ACCESS_KEY").read_text()
    assert settings.s3_secret_key.get_secret_value() == "from the environment"


def test_redis_knows_the_password_of_the_address_by_its_digest(folder):
    url = (folder / "settings/LOUPE_REDIS_URL").read_text()
    password = url.removeprefix("redis://loupe:").removesuffix("@redis:6379/0")
    acl = (folder / "redis_users.acl").read_text()
    assert f"user loupe on #{hashlib.sha256(password.encode()).hexdigest()} " in acl
    assert password not in acl


def test_the_sandboxs_namespace_gets_public_keys_and_its_own_certificate_only(folder, capsys):
    assert provision.main([str(folder), "--kubernetes"]) == 0
    secrets = json.loads(capsys.readouterr().out)["items"]
    sandbox = {secret["metadata"]["name"]: secret["data"] for secret in secrets if "sandbox" in str(secret["metadata"])}
    assert set(sandbox) == {"loupe-public-keys", "loupe-tls-sandbox"}
    private = base64.b64encode((folder / "keys/critic.pem").read_bytes()).decode()
    assert [secret["metadata"]["name"] for secret in secrets if private in secret["data"].values()] == [
        "loupe-key-critic"
    ]
    authority = (folder / "authority/ca.key").read_bytes()
    assert all(base64.b64decode(value) != authority for secret in secrets for value in secret["data"].values())


def test_a_server_reads_keys_that_lie_in_two_folders_and_makes_none_there(folder, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "api.sha256").write_bytes((folder / "keys/api.sha256").read_bytes())
    keys = KeyFolder(own, folder / "keys/public")
    keys.ensure(["critic", "another"])
    assert sorted(path.name for path in own.iterdir()) == ["api.sha256"]
    assert set(keys.public_keys()) == set(provision.SERVERS)
    assert keys.api_key_sha256() == hashlib.sha256((folder / "keys/api.key").read_text().encode()).hexdigest()
