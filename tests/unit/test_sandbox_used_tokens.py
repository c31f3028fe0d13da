"""A token runs once: in one process, after a restart, and on whichever replica it is tried again."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from pathlib import Path

import pytest

from sandbox import used_tokens
from sandbox.used_tokens import InFolder, InMemory
from servers.kit.errors import LoupeError, NotReady, StorageUnavailable, TokenReplayed
from servers.kit.tokens import CodeClaims

NOW = 1_800_000_000.0


def token(jti: str, *, issuer: str = "critic", expires_in_s: int = 60, step: int = 1, attempt: int = 1) -> CodeClaims:
    until_s = int(NOW) + expires_in_s
    return CodeClaims("0" * 64, "p", "job", step, attempt, jti=jti, issuer=issuer, expire_time_s=until_s)


async def outcome(used: InFolder | InMemory, *tokens: CodeClaims) -> str:
    try:
        await used.use_up(tokens)
    except LoupeError as error:
        return type(error).__name__
    return "used"


def test_what_a_replica_or_a_restarted_sandbox_lets_through_no_other_does(tmp_path):
    async def scenario() -> list[str]:
        one, other = InFolder(tmp_path, lambda: NOW), InFolder(tmp_path, lambda: NOW)
        first = await outcome(one, token("a"))
        restarted = InFolder(tmp_path, lambda: NOW)
        return [first, await outcome(other, token("a")), await outcome(restarted, token("a"))]

    assert asyncio.run(scenario()) == ["used", "TokenReplayed", "TokenReplayed"]


async def test_of_many_replicas_at_once_one_lets_it_through(tmp_path):
    replicas = [InFolder(tmp_path, lambda: NOW) for _ in range(8)]
    outcomes = await asyncio.gather(*(outcome(replica, token("a")) for replica in replicas))
    assert sorted(outcomes) == ["TokenReplayed"] * 7 + ["used"]


async def test_an_attempt_that_was_overtaken_does_not_run_any_more(tmp_path):
    one, other = InFolder(tmp_path, lambda: NOW), InFolder(tmp_path, lambda: NOW)
    memory = InMemory(lambda: NOW)
    for first, then in ((one, other), (memory, memory)):
        assert await outcome(first, token("a", attempt=2)) == "used"
        with pytest.raises(TokenReplayed, match="of attempt 1, and attempt 2 at this step began already"):
            await then.use_up([token("b", attempt=1)])
        assert await outcome(then, token("c", step=2, attempt=1)) == "used"
        assert await outcome(then, token("d", attempt=2)) == "used"
        assert await outcome(then, token("e", attempt=3)) == "used"


async def test_equal_names_of_two_issuers_are_two_tokens(tmp_path):
    used = InFolder(tmp_path, lambda: NOW)
    assert await outcome(used, token("a"), token("a", issuer="orchestrator")) == "used"


async def test_a_name_is_never_a_path(tmp_path):
    used = InFolder(tmp_path / "tokens", lambda: NOW)
    assert await outcome(used, token("../../escaped")) == "used"
    assert sorted(path.name for path in tmp_path.rglob("*escaped*")) == []


async def test_what_nobody_accepts_any_more_is_forgotten(tmp_path):
    now = NOW
    used = InFolder(tmp_path, lambda: now)
    assert await outcome(used, token("old")) == "used"
    now += 300
    assert await outcome(used, token("new", expires_in_s=360)) == "used"
    # The token, and which attempt it is of.
    assert len([path for path in tmp_path.glob("*/*") if path.is_file()]) == 2


async def test_a_full_disk_runs_nothing(tmp_path, monkeypatch):
    used = InFolder(tmp_path, lambda: NOW)

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(used_tokens, "_create", full)
    with pytest.raises(StorageUnavailable, match="No space left on device") as refused:
        await used.use_up([token("a")])
    assert refused.value.retry_after_s == 5.0


async def test_a_folder_that_is_gone_runs_nothing(tmp_path):
    used = InFolder(tmp_path / "tokens", lambda: NOW)
    shutil.rmtree(tmp_path / "tokens")
    assert await outcome(used, token("a")) == "StorageUnavailable"


async def test_more_than_the_bound_are_refused_not_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(used_tokens, "MOST_TOKENS", 2)
    for used in (InFolder(tmp_path, lambda: NOW), InMemory(lambda: NOW)):
        assert [await outcome(used, token(str(number))) for number in range(3)] == [
            *("used", "used", "StorageUnavailable"),
        ]
        assert await outcome(used, token("0")) != "used"


def test_a_folder_that_cant_be_written_stops_the_start_and_names_its_setting(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotReady, match=r"LOUPE_SANDBOX_USED_TOKENS_DIR: .* can't be written"):
        InFolder(tmp_path / "file" / "tokens")


async def test_what_may_have_run_before_the_memory_was_there_is_refused(tmp_path):
    for used in (InMemory(lambda: NOW), InFolder(tmp_path, lambda: NOW)):
        with pytest.raises(TokenReplayed, match="older than this sandbox"):
            await used.use_up([token("a", expires_in_s=30)])
    # The folder remembers also when it was made: a restart is no new memory.
    assert await outcome(InFolder(tmp_path, lambda: NOW + 50), token("b")) == "used"
