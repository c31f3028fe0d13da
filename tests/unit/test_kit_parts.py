"""The small parts of the kit: keys, tokens, ids, page tokens, JSON, settings, records."""

from __future__ import annotations

import base64
import re
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import jwt
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, create_engine, inspect

import servers.files
import servers.orchestrator
from loupe.type.v1.access_pb2 import Role
from loupe.type.v1.answer_pb2 import Answer, AnswerValue
from servers.files.tables import METADATA as FILES
from servers.kit import wire_json
from servers.kit.errors import CodeNotAuthorized, InvalidField, Unauthenticated
from servers.kit.ids import new_id
from servers.kit.keys import KeyFolder
from servers.kit.pages import read_token, write_token
from servers.kit.tokens import (
    CodeClaims,
    ServiceClaims,
    sign_code_token,
    sign_service_token,
    verify_code_token,
    verify_service_token,
)
from servers.orchestrator.tables import METADATA as JOBS

CLAIMS = CodeClaims(code_sha256="a" * 64, policy_version="1", job_id="job_x", step=9, attempt=2)


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    folder = KeyFolder(tmp_path / "keys")
    folder.ensure(["critic", "files"])
    return folder


def test_keys_are_made_once_also_by_many_at_once_and_only_their_owner_reads_them(tmp_path):
    folder = KeyFolder(tmp_path / "keys")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: folder.ensure(["critic", "files"]), range(8)))
    key, pem = folder.api_key(), (folder.path / "critic.pem").read_bytes()
    folder.ensure(["critic", "files", "vision"])
    assert (folder.api_key(), (folder.path / "critic.pem").read_bytes()) == (key, pem)
    assert re.fullmatch(r"lk_[\w-]{43}", key)
    assert sorted(folder.public_keys()) == ["critic", "files", "vision"]
    for path in folder.path.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_folder_that_others_could_enter_is_closed_to_them(tmp_path):
    (tmp_path / "keys").mkdir(mode=0o755)
    KeyFolder(tmp_path / "keys").ensure(["critic"])
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_a_code_token_holds_for_its_code_its_signer_and_its_time(keys, monkeypatch):
    token = sign_code_token(keys.private("critic"), CLAIMS, issuer="critic")
    seen = verify_code_token(token, keys.public("critic"), code_sha256="a" * 64, issuer="critic")
    assert (seen.job_id, seen.step, seen.attempt, seen.needs_approval) == ("job_x", 9, 2, False)
    again = sign_code_token(keys.private("critic"), CLAIMS, issuer="critic")
    assert verify_code_token(again, keys.public("critic"), code_sha256="a" * 64, issuer="critic").jti != seen.jti
    with pytest.raises(CodeNotAuthorized, match="is for other code"):
        verify_code_token(token, keys.public("critic"), code_sha256="b" * 64, issuer="critic")
    with pytest.raises(CodeNotAuthorized, match="Signature verification failed"):
        verify_code_token(token, keys.public("files"), code_sha256="a" * 64, issuer="critic")
    with pytest.raises(CodeNotAuthorized, match="Invalid issuer"):
        verify_code_token(token, keys.public("critic"), code_sha256="a" * 64, issuer="orchestrator")
    with pytest.raises(CodeNotAuthorized, match="no token from the critic"):
        verify_code_token("", keys.public("critic"), code_sha256="a" * 64, issuer="critic")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 70)
    old = sign_code_token(keys.private("critic"), CLAIMS, issuer="critic")
    monkeypatch.undo()
    with pytest.raises(CodeNotAuthorized, match="expired"):
        verify_code_token(old, keys.public("critic"), code_sha256="a" * 64, issuer="critic")


def test_a_service_token_is_no_code_token_and_no_other_algorithm_counts(keys):
    claims = ServiceClaims("critic", "sandbox", "local", Role.ROLE_ANALYST)
    token = sign_service_token(keys.private("critic"), claims)
    with pytest.raises(CodeNotAuthorized, match="missing"):
        verify_code_token(token, keys.public("critic"), code_sha256="a" * 64, issuer="critic")
    publics = {"critic": keys.public("critic")}
    assert verify_service_token(token, publics, audience="sandbox").subject == "local"
    payload = jwt.decode(token, options={"verify_signature": False})
    unsigned = jwt.encode(payload, "", algorithm="none")
    shared = jwt.encode(payload, "public key taken for a secret, 32 bytes", algorithm="HS256")
    for forged in (unsigned, shared, token[:-4] + "AAAA", "a.b.c", ""):
        with pytest.raises(Unauthenticated):
            verify_service_token(forged, publics, audience="sandbox")


def test_ids_are_of_the_form_the_contracts_ask_for_and_never_the_same():
    made = {new_id("job") for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch(r"job_[0-9a-hjkmnp-tv-z]{26}", one) for one in made)
    # Every place takes every letter: 1000 draws miss one with a chance of 10^-13.
    assert {one[4] for one in made} == {one[29] for one in made} == set("0123456789abcdefghjkmnpqrstvwxyz")


def test_a_page_token_comes_back_and_another_text_is_refused():
    when = datetime(2026, 11, 17, 12, 30, 0, 123456)
    assert read_token(write_token(when, "job_x")) == (when, "job_x")
    assert len(write_token(when, "file_" + "0" * 26)) <= 200
    for wrong in ("nonsense!", "é", base64.urlsafe_b64encode(b"\xff\xff").decode(), "MjAyNg"):
        with pytest.raises(InvalidField, match="page_token: is not a token of this list"):
            read_token(wrong)


def test_json_prints_zeros_keeps_names_and_takes_no_unknown_field():
    answer = Answer(text="Größe", values=[AnswerValue(number=0.5)])
    assert '"text": "Größe"' in wire_json.to_line(answer)
    assert wire_json.to_object(answer) == {
        "status": "ANSWER_STATUS_UNSPECIFIED",
        "text": "Größe",
        "short_text": "",
        "values": [{"name": "", "number": 0.5, "unit": "", "text": "", "value_ids": []}],
        "reason": "",
        "quoted_value_ids": [],
    }
    assert wire_json.parse(wire_json.to_line(answer), Answer) == answer
    for wrong in ("", "[1]", '{"unknown": 1}', '{"text": 1}', "[" * 100_000):
        with pytest.raises(ValueError):
            wire_json.parse(wrong, Answer)


@pytest.mark.parametrize(("server", "metadata"), [(servers.files, FILES), (servers.orchestrator, JOBS)])
def test_migrations_lead_to_the_tables_the_code_expects_and_back(tmp_path, server, metadata: MetaData):
    config = Config()
    config.set_main_option("script_location", str(Path(server.__path__[0]) / "migrations"))
    engine = create_engine(f"sqlite:///{tmp_path / 'records.sqlite'}")
    for _ in range(2):
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, "base")
        with engine.connect() as connection:
            assert inspect(connection).get_table_names() == ["alembic_version"]
    engine.dispose()
