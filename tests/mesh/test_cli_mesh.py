"""The command line as a user has it: real processes, a real mesh behind Envoy, the files it leaves."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import pty
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from PIL import Image

from cli import mesh_state
from cli.processes import ProcessId
from servers.kit.keys import KeyFolder
from tests import sounds

COFFEE = Path(__file__).parents[2] / "examples" / "coffee.png"
NINE = [
    *("analysis.ipynb", "analysis.py", "answer.json", "chart.json", "chart.png"),
    *("data.csv", "manifest.json", "overlay.png", "report.md"),
]
PATIENCE_S = 120
SERVERS = ["files", "vision", "speech", "reasoning", "codegen", "critic", "sandbox", "router", "orchestrator", "envoy"]


@dataclass(frozen=True)
class Shell:
    """Runs `loupe` in a folder of its own, over one LOUPE_HOME and one port."""

    home: Path
    port: int
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        settings = {"LOUPE_HOME": str(self.home), "LOUPE_PORT": str(self.port)}
        return {**os.environ, **settings, "PYTHONPATH": str(COFFEE.parents[1]), "PYTHONUNBUFFERED": "1"}

    @property
    def run_dir(self) -> Path:
        return self.home / "run"

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, "-m", "cli.main", *map(str, arguments)]

    def loupe(self, *arguments: object, text_in: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            input=text_in,
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    @contextmanager
    def started(self, *arguments: object, terminal: int | None = None) -> Iterator[subprocess.Popen[str]]:
        """A command that runs on; it is killed if the block leaves it running."""
        with subprocess.Popen(
            self.command(*arguments),
            env=self.environment,
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE if terminal is None else terminal,
            stderr=subprocess.PIPE if terminal is None else terminal,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def process(self, name: str) -> ProcessId:
        """The process of a server."""
        state = mesh_state.read_running(self.run_dir)
        assert state is not None
        found = next(member.process for member in state.members if member.name == name)
        assert found is not None
        return found

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """A server and what it has started stand still for a while."""
        server = self.process(name)
        tree = [server.pid, *map(int, Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split())]
        for pid in tree:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in tree:
                os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def shell(module_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shell = Shell(module_home, port, tmp_path_factory.mktemp("shell"))
    shutil.copy(COFFEE, shell.folder / "coffee.png")
    yield shell
    shell.loupe("down")
    assert list(shell.run_dir.iterdir()) == []


@pytest.fixture(scope="module")
def first(shell: Shell) -> subprocess.CompletedProcess[str]:
    """The first command of a user who started nothing."""
    return shell.loupe("analyze", "coffee.png", "-p", "Which month sold the most?")


def test_analyze_starts_a_mesh_where_none_runs_and_answers(shell: Shell, first) -> None:
    assert (first.returncode, first.stderr) == (
        0,
        "no mesh is running: starting one, which stays (`loupe down` stops it)\n",
    )
    lines = first.stdout.splitlines()
    assert lines[0] == "coffee.png: Which month sold the most?"
    assert "  ✓ reading the picture … a bar chart, 8 values" in first.stdout
    assert "  ✓ reviewing the code … approved, 0 findings" in first.stdout
    assert "May" in lines[-2]
    assert lines[-1].startswith("  loupe-out/coffee/ has 9 files (")
    assert "\x1b" not in first.stdout


def test_the_bundle_has_nine_files_with_the_digests_its_manifest_names(shell: Shell, first) -> None:
    folder = shell.folder / "loupe-out" / "coffee"
    assert sorted(path.name for path in folder.iterdir()) == NINE

    outputs = json.loads((folder / "manifest.json").read_text())["outputs"]
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in NINE}
    del digests["manifest.json"]
    assert {name: output["sha256"] for name, output in outputs.items()} == digests


def test_a_second_up_says_that_the_mesh_runs_already(shell: Shell, first) -> None:
    for arguments in (["up", "--detach"], ["up"]):
        second = shell.loupe(*arguments)

        assert second.returncode == 0
        assert second.stdout.startswith(f"the mesh is running already at http://127.0.0.1:{shell.port} (process ")


def test_status_shows_every_server_and_all_serve(shell: Shell, first) -> None:
    found = shell.loupe("status", "--json")
    assert found.returncode == 0
    told = json.loads(found.stdout)
    assert (told["is_serving"], told["address"]) == (True, f"http://127.0.0.1:{shell.port}")
    assert [row["name"] for row in told["processes"]] == SERVERS
    assert {row["condition"] for row in told["processes"]} == {"serving"}
    assert all(row["memory_mib"] > 5 for row in told["processes"])
    assert told["processes"][0]["address"] == f"unix:{shell.run_dir}/files.sock"
    assert stat.S_IMODE(shell.run_dir.stat().st_mode) == 0o700

    table = shell.loupe("status").stdout.splitlines()
    assert table[0].split() == ["NAME", "STATE", "PID", "MEMORY", "ADDRESS"]
    assert [line.split()[:2] for line in table[1:11]] == [[name, "serving"] for name in SERVERS]


def test_models_status_shows_the_engine_of_every_server_that_may_ask_a_model(shell: Shell, first) -> None:
    done = shell.loupe("models", "status")
    assert done.returncode == 0
    head, *lines = [line.split() for line in done.stdout.splitlines()]
    assert head == ["SERVER", "ENGINE", "MODEL", "REVISION", "MEMORY", "STATE"]
    assert [(line[0], line[1], line[-1]) for line in lines] == [
        (name, "builtin", "ready") for name in ("vision", "speech", "reasoning", "codegen", "critic")
    ]
    told = json.loads(shell.loupe("models", "list", "--json").stdout)
    assert told == {"pulled": [], "routed": []}


def test_json_lines_are_what_the_rest_stream_has(shell: Shell, first) -> None:
    done = shell.loupe("analyze", "coffee.png", "--json", "-o", "described")
    assert done.returncode == 0
    job, *steps = map(json.loads, done.stdout.splitlines())
    key = (shell.home / "keys" / "api.key").read_text()
    url = f"http://127.0.0.1:{shell.port}/v1/jobs/{job['job']['job_id']}:watch"

    response = httpx.get(url, headers={"authorization": f"Bearer {key}"}, timeout=30)

    assert steps == [json.loads(line) for line in response.text.splitlines()]
    assert [step["step"]["sequence"] for step in steps] == list(range(1, len(steps) + 1))


def test_a_question_that_the_picture_does_not_hold_is_code_three(shell: Shell, first) -> None:
    done = shell.loupe("analyze", "coffee.png", "-p", "What is the population of France?", "-o", "france")

    assert done.returncode == 3
    assert "This can't be answered from the picture: " in done.stdout


def test_one_bad_image_does_not_stop_the_others_and_decides_the_code(shell: Shell, first) -> None:
    (shell.folder / "more").mkdir()
    shutil.copy(COFFEE, shell.folder / "more" / "coffee.png")
    (shell.folder / "zero.png").write_bytes(b"")

    done = shell.loupe("analyze", "coffee.png", "none.png", "zero.png", "more/coffee.png", "-o", "several")

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "loupe: none.png: no such file or directory",
        "loupe: zero.png: the file has no bytes",
    ]
    assert sorted(path.name for path in (shell.folder / "several").iterdir()) == ["coffee", "coffee-2"]


def test_extract_writes_the_data_of_each_image_and_says_where_there_is_none(shell: Shell, first) -> None:
    Image.new("RGB", (300, 200), "white").save(shell.folder / "blank.png")

    done = shell.loupe("extract", "blank.png", "coffee.png", "-o", "data")

    assert done.returncode == 3
    assert done.stderr.startswith("blank.png: nothing to read: ")
    assert done.stdout.startswith("coffee.png … a bar chart, 8 values (")
    assert done.stdout.endswith(" → data/coffee.csv\n")
    assert sorted(path.name for path in (shell.folder / "data").iterdir()) == ["coffee.csv", "coffee.json"]
    header, *rows = csv.reader((shell.folder / "data" / "coffee.csv").read_text().splitlines())
    assert header == ["", "Cups a day"]
    # What examples/make_coffee.py draws, as closely as vision promises.
    cups = {"Jan": 412, "Feb": 388, "Mar": 451, "Apr": 497, "May": 540, "Jun": 516, "Jul": 468, "Aug": 433}
    assert {label: float(number) for label, number in rows} == pytest.approx(cups, rel=0.05)


def test_a_corrected_tick_makes_the_data_new_without_the_picture(shell: Shell, first) -> None:
    shell.loupe("extract", "coffee.png", "-o", "data")
    (figure,) = json.loads((shell.folder / "data" / "coffee.json").read_text())
    (axis,) = [axis for axis in figure["chart"]["axes"] if axis["dimension"] == "AXIS_DIMENSION_Y"]
    tenfold = [("--tick", f"f1.y.{index}={10 * tick['number']:g}") for index, tick in enumerate(axis["ticks"])]

    done = shell.loupe("correct", "data/coffee.json", *sum(tenfold, ()), "--label", "f1:Jan=January", "-o", "corrected")

    assert done.returncode == 0
    assert done.stdout.startswith("f1 … a bar chart, 8 values")
    assert done.stdout.endswith(" changed → corrected/coffee.csv\n")
    _, january, *_ = csv.reader((shell.folder / "corrected" / "coffee.csv").read_text().splitlines())
    assert january[0] == "January"
    assert float(january[1]) == pytest.approx(4120, rel=0.05)

    refused = shell.loupe("correct", "corrected/coffee.json", "--tick", "f1.y.99=5", "-o", "corrected")

    assert refused.returncode == 1
    assert refused.stderr.startswith("loupe: f1: corrections[0].tick.tick: axis y has ")


def test_transcribe_prints_what_is_said_as_lines_as_subtitles_and_as_envoy_has_it(shell: Shell, first) -> None:
    shutil.copy(sounds.GO_FORWARD, shell.folder / "said.flac")

    done = shell.loupe("transcribe", "said.flac")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "[0:00.4] go forward ten meters\n")

    done = shell.loupe("transcribe", "said.flac", "--format", "srt", "--language", "en")
    number, times, text, *_ = done.stdout.splitlines()
    assert (number, text) == ("1", "go forward ten meters")
    assert re.fullmatch(r"00:00:00,4\d\d --> 00:00:02,[01]\d\d", times)

    told = json.loads(shell.loupe("transcribe", "said.flac", "--json").stdout)
    state = mesh_state.read_running(shell.run_dir)
    assert state is not None
    headers = {"authorization": f"Bearer {KeyFolder(shell.home / 'keys').api_key()}"}
    with httpx.Client(base_url=f"http://{state.address}", headers=headers) as rest:
        stored = rest.post("/v1/files", content=sounds.GO_FORWARD.read_bytes()).json()["file"]
        assert stored["media_type"] == "audio/flac"
        assert rest.post("/v1/speech:transcribe", json={"file": stored}, timeout=60).json() == told
        streamed = rest.post("/v1/speech:streamTranscribe", json={"request": {"file": stored}}, timeout=60).text
        segment, end = map(json.loads, streamed.splitlines())
        assert segment["segment"] == told["transcript"]["segments"][0]
        assert end["end"]["audio"] == told["audio"]
        assert rest.get("/v1/speech/engine").json()["engine"]["state"] == "ENGINE_STATE_READY"


def test_transcribe_says_in_a_line_that_nobody_speaks_or_that_it_is_no_recording(shell: Shell, first) -> None:
    (shell.folder / "hum.wav").write_bytes(sounds.recorded(sounds.tone(100, 2)))
    (shell.folder / "cut.wav").write_bytes(sounds.recorded(sounds.go_forward())[:30_000])

    nobody = shell.loupe("transcribe", "hum.wav")
    picture = shell.loupe("transcribe", "coffee.png")
    text = shell.loupe("transcribe", __file__)
    cut = shell.loupe("transcribe", "cut.wav")

    assert (nobody.returncode, nobody.stdout) == (3, "")
    assert nobody.stderr.startswith("hum.wav: nobody speaks: ")
    assert (picture.returncode, text.returncode, cut.returncode) == (1, 1, 1)
    assert picture.stderr.startswith("loupe: coffee.png: this is no recording that Loupe knows")
    assert text.stderr.endswith("recordings are WAV, MP3, Ogg, FLAC, AAC, AIFF, AMR, MP4, WebM, AVI\n")
    assert cut.stderr.startswith("loupe: cut.wav: the file ends after 0.9 s of the 2.8 s")
    assert all(one.stderr.count("\n") == 1 for one in (nobody, picture, text, cut))


def test_a_job_on_a_recording_says_that_it_takes_images(shell: Shell, first) -> None:
    (shell.folder / "hum.wav").write_bytes(sounds.recorded(sounds.tone(100, 2)))

    done = shell.loupe("analyze", "hum.wav", "-o", "refused")

    assert done.returncode == 1
    assert "PNG, JPEG, GIF, WEBP and BMP" in done.stdout + done.stderr


def test_extract_of_a_broken_image_is_code_one(shell: Shell, first) -> None:
    (shell.folder / "cut.png").write_bytes(COFFEE.read_bytes()[:2000])

    done = shell.loupe("extract", "coffee.png", "cut.png", "-o", "data")

    assert done.returncode == 1
    assert done.stderr.startswith("loupe: cut.png: ")
    assert len(done.stderr.splitlines()) == 1


def test_jobs_are_listed_shown_watched_and_left_as_they_ended(shell: Shell, first) -> None:
    listed = json.loads(shell.loupe("jobs", "list", "-n", "200", "--json").stdout)["jobs"]
    job_id = listed[-1]["job_id"]  # newest first
    assert f"{job_id}  " in shell.loupe("jobs", "list").stdout

    shown = shell.loupe("jobs", "show", job_id)
    assert shown.stdout.startswith(f"{job_id}: succeeded\n  asked: Which month sold the most?\n  begun: ")
    assert "  answer: " in shown.stdout and "  overlay.png " in shown.stdout

    watched = shell.loupe("jobs", "watch", job_id)
    assert (watched.returncode, "May" in watched.stdout.splitlines()[-1]) == (0, True)
    last = [json.loads(line)["step"] for line in shell.loupe("jobs", "watch", job_id, "--json").stdout.splitlines()][-1]
    assert shell.loupe("jobs", "watch", job_id, "--after", last["sequence"], "--json").stdout == ""

    assert shell.loupe("jobs", "cancel", job_id).stdout == f"{job_id} had ended before: succeeded\n"
    unknown = shell.loupe("jobs", "show", f"job_{'0' * 26}")
    assert (unknown.returncode, len(unknown.stderr.splitlines())) == (1, 1)


def test_ctrl_c_cancels_the_job_and_says_so(shell: Shell, first) -> None:
    with shell.frozen("vision"), shell.started("analyze", "coffee.png", "--json", "-o", "cancelled") as command:
        assert command.stdout is not None
        job_id = json.loads(command.stdout.readline())["job"]["job_id"]
        command.send_signal(signal.SIGINT)
        _, told = command.communicate(timeout=PATIENCE_S)

    assert (command.returncode, told) == (130, f"cancelled {job_id}\n")
    shown = shell.loupe("jobs", "show", job_id)
    assert shown.stdout.startswith(f"{job_id}: cancelled\n")


def test_a_stream_that_breaks_goes_on_where_it_stopped(shell: Shell, first) -> None:
    with shell.started("analyze", "coffee.png", "--json", "-o", "broken") as command:
        assert command.stdout is not None
        with shell.frozen("vision"):
            begun = [command.stdout.readline() for _ in range(3)]  # the job, a thought, the action that hangs
            gateway = shell.process("envoy")
            gateway.send(signal.SIGKILL)
            assert gateway.wait(PATIENCE_S)
        rest, told = command.communicate(timeout=PATIENCE_S)

    assert command.returncode == 0, told
    numbers = [json.loads(line)["step"]["sequence"] for line in (*begun[1:], *rest.splitlines()) if "step" in line]
    assert numbers == list(range(1, len(numbers) + 1))


def test_in_a_terminal_the_answer_is_bold_and_the_cursor_comes_back(shell: Shell, first) -> None:
    ours, theirs = pty.openpty()
    with shell.started("analyze", "coffee.png", "-o", "terminal", terminal=theirs) as command:
        os.close(theirs)
        shown = b""
        while piece := _read(ours):
            shown += piece
        command.wait(PATIENCE_S)
    os.close(ours)

    assert command.returncode == 0
    assert b"\x1b[32m" in shown and b"\x1b[1m" in shown
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")


def test_a_reader_that_has_seen_enough_gets_no_complaint(shell: Shell, first) -> None:
    with shell.started("logs", "-n", "100000") as command:
        assert command.stdout is not None and command.stderr is not None
        assert command.stdout.readline()
        command.stdout.close()
        assert command.stderr.read() == ""


def test_followed_logs_go_on_until_ctrl_c(shell: Shell, first) -> None:
    with shell.started("logs", "files", "-f", "-n", "0") as command:
        assert command.stdout is not None
        shell.loupe("extract", "coffee.png", "-o", "data")
        assert json.loads(command.stdout.readline())["server"] == "files"
        command.send_signal(signal.SIGINT)
        _, told = command.communicate(timeout=PATIENCE_S)

    assert (command.returncode, told) == (130, "")


def test_a_killed_supervisor_leaves_no_process_and_down_clears_the_rest(shell: Shell, first) -> None:
    state = mesh_state.read_running(shell.run_dir)
    assert state is not None
    state.supervisor.send(signal.SIGKILL)
    assert all(process.wait(PATIENCE_S) for process in (state.supervisor, *state.processes))

    assert shell.loupe("status").returncode == 1
    down = shell.loupe("down")

    assert (down.returncode, list(shell.run_dir.iterdir())) == (0, [])
    assert down.stdout.startswith("the mesh's supervisor was killed earlier; what it left is gone")


def test_up_in_a_terminal_runs_until_ctrl_c_and_leaves_nothing(shell: Shell) -> None:
    with shell.started("up") as command:
        assert command.stdout is not None
        settled = [command.stdout.readline().strip() for _ in SERVERS]
        assert sorted(settled) == sorted(f"✓ {name}" for name in SERVERS)
        assert f": http://127.0.0.1:{shell.port} (Ctrl-C stops it)" in command.stdout.readline()
        state = mesh_state.read_running(shell.run_dir)
        command.send_signal(signal.SIGINT)
        rest, told = command.communicate(timeout=PATIENCE_S)

    assert (command.returncode, rest, told) == (0, "the mesh has stopped\n", "")
    assert state is not None and not any(process.is_alive for process in state.processes)
    assert list(shell.run_dir.iterdir()) == []


def _read(terminal: int) -> bytes:
    """What a terminal shows next; nothing once the command has closed it."""
    try:
        return os.read(terminal, 65536)
    except OSError:  # EIO is how Linux says that the other side is closed
        return b""
