"""A real Envoy as a process: what it is started with, that it says why when it can't, and that nothing of it stays."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import httpx
import pytest
import yaml

from gateway.envoy.__main__ import main
from gateway.envoy.bootstrap import bootstrap
from gateway.envoy.process import GatewayNotStarted, running
from gateway.envoy.validate import InvalidConfig, validate
from tests.contract.gateway_servers import gateway_to, settings_for

NOWHERE = "unix:/nonexistent.sock"


def test_envoy_accepts_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_HOME", str(tmp_path))
    out = tmp_path / "envoy.yaml"

    assert main(["--out", str(out), "--check"]) == 0
    assert yaml.safe_load(out.read_text())["static_resources"]["listeners"][0]["name"] == "front"


def test_a_configuration_that_envoy_refuses_is_told_in_envoys_words(tmp_path: Path) -> None:
    config = tmp_path / "envoy.yaml"
    config.write_text("static_resources: {listeners: [{nme: front}]}")

    with pytest.raises(InvalidConfig, match="nme"):
        validate(config)


def test_a_file_that_cannot_be_written_is_one_line_of_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "missing" / "envoy.yaml")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_wrong_setting_ends_the_command_and_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOUPE_PORT", "80000")
    with pytest.raises(SystemExit) as ended:
        main(["--out", str(tmp_path / "envoy.yaml")])

    assert ended.value.code == 2
    assert "LOUPE_PORT" in capsys.readouterr().err


async def test_envoy_is_administered_by_its_owner_alone(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, NOWHERE)
    async with running(settings):
        assert bootstrap(settings)["admin"] == {
            "address": {"pipe": {"path": str(settings.admin_socket), "mode": 0o600}}
        }
        assert stat.S_IMODE(settings.admin_socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(settings.run_dir.stat().st_mode) == 0o700


async def test_envoy_has_ended_when_the_context_has(tmp_path: Path) -> None:
    async with gateway_to(tmp_path, NOWHERE) as gateway:
        pass

    assert gateway.process.returncode is not None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(gateway.address.rpartition(":")[2])))


async def test_a_second_start_in_the_same_folder_works(tmp_path: Path) -> None:
    for _ in range(2):
        async with gateway_to(tmp_path, NOWHERE) as gateway:
            assert gateway.process.returncode is None


async def test_an_ipv6_address_is_written_as_urls_want_it(tmp_path: Path) -> None:
    async with gateway_to(tmp_path, NOWHERE, host="::1") as gateway, httpx.AsyncClient() as rest:
        answer = await rest.get(f"{gateway.base_url}/healthz")

    assert gateway.address.startswith("[::1]:")
    assert answer.status_code == 200


async def test_a_taken_port_stops_the_start_with_envoys_reason(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(GatewayNotStarted, match="Address already in use"):
            async with gateway_to(tmp_path, NOWHERE, port=port):
                pass
