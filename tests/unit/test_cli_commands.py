"""The command line without a mesh: help, wrong usage, and failures in one line."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli import lifecycle, mesh_state
from cli.main import loupe, run


@pytest.fixture(autouse=True)
def environment(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOUPE_HOME", str(home))
    monkeypatch.chdir(tmp_path)


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


@pytest.mark.parametrize("path", [(), *commands(loupe)], ids=" ".join)
def test_every_command_explains_itself_with_an_example(path: tuple[str, ...], capsys) -> None:
    assert run([*path, "--help"]) == 0

    assert f"Example:\n    {' '.join(('loupe', *path))}" in capsys.readouterr().out.replace("  Example:", "Example:")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from cli.main import run; code = run(['--help'])\n"
        "heavy = {'grpc', 'google.protobuf', 'pydantic', 'rich', 'asyncio'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else code)"
    )
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["fly"], 2, "loupe: No such command 'fly'."),
        (["analyze"], 2, "loupe: Missing argument 'IMAGE...'."),
        (["analyze", "none.png"], 2, "loupe: none.png: no such file or directory"),
        (["extract", "."], 2, "loupe: .: is a folder, not an image"),
        (["transcribe", "."], 2, "loupe: .: is a folder, not a recording"),
        (
            ["analyze", "none.png", "-p", " "],
            2,
            "loupe: the question is empty: leave -p away to have the picture described",
        ),
        (
            ["analyze", "none.png", "-p", "x" * 20_000],
            2,
            "loupe: the question has 20,000 characters, at most 4,000",
        ),
        (["jobs", "list"], 1, "loupe: no mesh is running: `loupe up --detach` starts it"),
        (["jobs", "show", "7"], 2, "loupe: '7' is no job id: `loupe jobs list` shows them"),
        (["jobs", "list", "-n", "0"], 2, "loupe: Invalid value for '-n': 0 is not in the range 1<=x<=200."),
        (
            ["logs", "printer"],
            2,
            "loupe: there is no server 'printer': one of files, vision, speech, reasoning, codegen, critic, sandbox, "
            "router, orchestrator, envoy, supervisor",
        ),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_failure_is_one_line_on_stderr(arguments: list[str], code: int, line: str, capsys) -> None:
    assert run(arguments) == code

    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"{line}\n")


def test_without_a_mesh_status_says_so_and_is_not_well(capsys) -> None:
    assert run(["status"]) == 1
    assert capsys.readouterr().out == "no mesh is running: `loupe up`\n"

    assert run(["status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"is_serving": False, "processes": []}


def test_without_a_mesh_down_has_nothing_to_do(capsys) -> None:
    assert run(["down"]) == 0
    assert capsys.readouterr().out == "no mesh is running\n"


@pytest.mark.parametrize("arguments", [["up"], ["up", "--detach"], ["extract", "image.png"]], ids=" ".join)
def test_a_taken_port_is_told_before_anything_starts(
    arguments: list[str], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    (tmp_path / "image.png").write_bytes(b"x")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("LOUPE_PORT", str(port))

        assert run(arguments) == 1

    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"loupe: port {port} is taken: set LOUPE_PORT to a free one"
    assert mesh_state.read(home / "run") is None


def test_a_wrong_setting_names_its_variable(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("LOUPE_PORT", "many")

    with pytest.raises(SystemExit) as ended:
        run(["status"])

    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("LOUPE_PORT: ")


def test_a_defect_of_ours_is_one_line_and_its_traceback_is_kept(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(lifecycle, "down", broken)

    assert run(["down"]) == 1
    log = home / "logs" / "cli.log"
    assert capsys.readouterr().err == f"loupe: internal error: ZeroDivisionError: oh (the traceback is in {log})\n"
    assert "Traceback" in log.read_text()


def test_a_folder_that_can_not_be_used_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("LOUPE_HOME", "/dev/null/loupe")

    assert run(["up", "--detach"]) == 1
    assert capsys.readouterr().err == "loupe: /dev/null/loupe/run/mesh.json: not a directory\n"


def test_logs_are_json_lines_in_a_pipe_and_ordered_by_time(home: Path, capsys) -> None:
    (home / "logs").mkdir()
    lines = [f'{{"time": "2026-11-21T08:00:0{second}.000Z", "message": "m{second}"}}' for second in range(4)]
    (home / "logs" / "files.log").write_text(f"{lines[0]}\n{lines[3]}\nunfinished")
    (home / "logs" / "critic.log").write_text(f"{lines[1]}\n{lines[2]}\n")

    assert run(["logs", "-n", "3"]) == 0
    assert capsys.readouterr().out.splitlines() == lines[1:]

    assert run(["logs", "critic", "-n", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == lines[2:3]
