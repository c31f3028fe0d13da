"""How processes are said to be: real servers, one that serves and one that lacks something, under the supervisor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from cli import health, mesh_state
from cli.config import Settings
from cli.health import Health
from cli.lifecycle import describe
from cli.mesh_state import Member
from cli.plan import plan
from cli.supervisor import Supervisor

PATIENCE_S = 60


@asynccontextmanager
async def settled(settings: Settings, *names: str, **modules: str) -> AsyncIterator[dict[str, Health]]:
    """How these servers are once waiting changes nothing; some may be started from another module than theirs."""
    chosen = [replace(one, module=modules.get(one.name, one.module)) for one in plan(settings) if one.name in names]
    kept = Supervisor(settings, chosen)
    running = asyncio.create_task(kept.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            await kept.started.wait()
            while True:
                state = mesh_state.read_running(settings.run_dir)
                assert state is not None
                found = await health.ask(settings, state, names)
                if all(one.is_settled for one in found):
                    break
                await asyncio.sleep(0.05)
        yield {one.name: one for one in found}
    finally:
        kept.stop()
        await running


@pytest.fixture
def settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("LOUPE_HOME", str(home))
    return Settings()


async def test_a_server_that_serves_and_one_that_lacks_something(settings, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LOUPE_SANDBOX_RUNTIME_DIR", str(tmp_path / "nothing"))
    async with settled(settings, "files", "sandbox") as found:
        assert found["files"].is_serving
        assert describe(found["files"]) == "files serves"

        assert found["sandbox"].condition == "not serving"
        assert "no sandbox runtime in " in found["sandbox"].remedy
        assert describe(found["sandbox"]) == f"sandbox is not ready: {found['sandbox'].remedy}"


async def test_a_server_that_keeps_ending_tells_its_last_words(settings) -> None:
    async with settled(settings, "critic", critic="no_such_module") as found:
        assert found["critic"].condition == "restarting"
        assert describe(found["critic"]).startswith("critic keeps ending: ")
        assert describe(found["critic"]).endswith("No module named no_such_module")


async def test_a_server_with_wrong_settings_is_given_up_and_names_the_variable(settings, monkeypatch) -> None:
    monkeypatch.setenv("LOUPE_CRITIC_MAX_CONCURRENT_CALLS", "-1")
    async with settled(settings, "critic") as found:
        assert found["critic"].condition == "failed"
        assert "LOUPE_CRITIC_MAX_CONCURRENT_CALLS: " in describe(found["critic"])


def test_a_traceback_in_a_log_is_told_by_its_last_line(tmp_path: Path) -> None:
    log = tmp_path / "files.log"
    log.write_text('earlier\n{"message": "failed", "traceback": "Traceback\\n  File\\nOSError: disk full"}\n')

    assert health.last_words(log, 0) == "OSError: disk full"
    assert health.last_words(log, log.stat().st_size) == ""
    assert health.last_words(tmp_path / "none.log", 0) == ""


def test_a_process_that_was_never_started_is_starting(settings) -> None:
    found = Health("files", "unix:x", Member("files"), "starting")

    assert not found.is_settled
    assert describe(found) == "files is still starting"
