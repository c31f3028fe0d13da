"""A person's hand on real jobs, from the command line, in a mesh of real servers."""

from __future__ import annotations

import json
import re
import shutil
import socket
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from servers.kit.keys import KeyFolder
from tests.mesh.test_cli_mesh import COFFEE, Shell

APPROVAL_ASKED = "  ? may this code run? the job asks for a person's approval of all code\n"


@pytest.fixture(scope="module")
def shell(module_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shell = Shell(module_home, port, tmp_path_factory.mktemp("control"))
    shutil.copy(COFFEE, shell.folder / "coffee.png")
    yield shell
    shell.loupe("down")


@pytest.fixture(scope="module")
def answered(shell: Shell) -> str:
    """A job that has answered."""
    done = shell.loupe("analyze", "coffee.png", "-p", "What is the total?")
    assert done.returncode == 0, done.stderr
    return _job_of(done.stdout)


def _job_of(text: str) -> str:
    found = re.findall(r"job_[0-9a-z]{26}", text)
    return str(found[-1])


def _waiting(shell: Shell) -> str:
    """A job that waits for approval; whoever asked for it has gone."""
    with shell.started("analyze", "coffee.png", "-p", "Which month sold the least?", "--approval", "always") as asking:
        assert asking.stdout is not None
        lines = iter(asking.stdout.readline, "")
        assert APPROVAL_ASKED in lines
        return _job_of(next(lines))


def test_code_runs_after_a_yes_to_what_was_shown(shell: Shell, answered: str) -> None:
    job_id = _waiting(shell)
    shown = shell.loupe("jobs", "show", job_id).stdout
    assert shown.startswith(f"{job_id}: awaiting approval\n")
    approved = shell.loupe("jobs", "approve", job_id, text_in="y\n")
    assert approved.returncode == 0
    assert "def main() -> None:" in approved.stdout
    assert "the critic approved, 0 findings" in approved.stdout
    watched = shell.loupe("jobs", "watch", job_id)
    assert watched.returncode == 0
    assert "✓ waiting for your approval … approved" in watched.stdout
    assert "Lowest: “Feb”" in watched.stdout
    assert "approved by local" in shell.loupe("jobs", "explain", job_id).stdout


def test_a_no_to_the_question_decides_nothing_and_a_rejection_ends_the_job(shell: Shell, answered: str) -> None:
    job_id = _waiting(shell)
    assert shell.loupe("jobs", "approve", job_id, text_in="n\n").returncode == 130
    assert shell.loupe("jobs", "reject", job_id, "-m", "not today").returncode == 0
    watched = shell.loupe("jobs", "watch", job_id)
    assert watched.returncode == 1
    assert "a person rejected the code" in watched.stdout
    late = shell.loupe("jobs", "approve", job_id)
    assert (late.returncode, late.stderr) == (1, f"loupe: {job_id} asks for no approval: it has failed\n")


def test_of_many_words_at_once_by_command_and_rest_one_counts_and_nothing_runs_twice(shell: Shell) -> None:
    job_id = _waiting(shell)
    (shell.folder / "other.py").write_text("print(1)\n")
    key = KeyFolder(shell.home / "keys").api_key()
    with httpx.Client(
        base_url=f"http://127.0.0.1:{shell.port}/v1/jobs/", headers={"authorization": f"Bearer {key}"}, timeout=60
    ) as rest:
        digest = rest.get(job_id).json()["job"]["awaiting"]["ask_approval"]["code_sha256"]
        approval = {"code_sha256": digest, "approve": {}}
        with ExitStack() as stack, ThreadPoolExecutor(4) as people:
            words = [("approve", job_id, "--code", digest)] * 2 + [("edit", job_id, "other.py")]
            commands = [stack.enter_context(shell.started("jobs", *word)) for word in words]
            answers = list(people.map(lambda _: rest.post(f"{job_id}:decide", json=approval), range(4)))
            codes = [command.wait(timeout=60) for command in commands]
        is_edited = codes[2] == 0
        assert codes == ([1, 1, 0] if is_edited else [0, 0, 1])
        assert {answer.status_code for answer in answers} == {400 if is_edited else 200}
        if is_edited:
            rest.post(f"{job_id}:cancel", json={})
        lines = rest.get(f"{job_id}:watch").text.splitlines()
        steps = [event["step"] for line in lines if line and "step" in (event := json.loads(line))]
        again = rest.post(f"{job_id}:decide", json=approval)
        late = rest.post(f"{job_id}:decide", json={"code_sha256": digest, "reject": {}})
    decisions = [step["observation"]["approval"] for step in steps if "approval" in step.get("observation", {})]
    assert [one["decision"] for one in decisions if one["code_sha256"] == digest] == [
        "DECISION_EDITED" if is_edited else "DECISION_APPROVED"
    ]
    assert sum("run_code" in step.get("action", {}) for step in steps) == (0 if is_edited else 1)
    assert again.status_code == (400 if is_edited else 200)
    assert (late.status_code, late.json()["details"][0]["reason"]) == (400, "WRONG_STATE")


def test_edited_code_is_asked_about_again_and_is_what_runs(shell: Shell, answered: str) -> None:
    job_id = _waiting(shell)
    shell.loupe("jobs", "export", answered, "-o", "first.zip")
    with zipfile.ZipFile(shell.folder / "first.zip") as archive:
        source = archive.read("analysis.py").decode()
    (shell.folder / "edited.py").write_text("# seen by a person\n" + source)
    assert shell.loupe("jobs", "edit", job_id, "edited.py").returncode == 0
    assert shell.loupe("jobs", "approve", job_id, text_in="y\n").stdout.startswith("   1  # seen by a person\n")
    watched = shell.loupe("jobs", "watch", job_id)
    assert "✓ waiting for your approval … edited" in watched.stdout
    assert watched.returncode == 0


def test_a_job_replays_from_its_log_and_live(shell: Shell, answered: str) -> None:
    assert shell.loupe("jobs", "replay", answered).stdout.startswith("identical: ")
    live = shell.loupe("jobs", "replay", answered, "--live")
    assert (live.returncode, live.stdout[:17]) == (0, "identical to job_"), live.stdout


def test_a_fork_computes_with_what_was_corrected_and_reads_nothing_again(shell: Shell, answered: str) -> None:
    before = shell.loupe("jobs", "show", answered).stdout
    forked = shell.loupe("jobs", "fork", answered, "--value", "f1.s0.p1.y=1000")
    assert forked.returncode == 0
    assert "correcting the figure" in forked.stdout
    total = re.search(r"is ([\d,.]+\d)", before)
    corrected = re.search(r"is ([\d,.]+\d)", forked.stdout)
    assert total is not None
    assert corrected is not None
    assert 600 < _number(corrected[1]) - _number(total[1]) < 620  # February was 388


def test_a_fork_with_another_question_and_a_retry_end_well(shell: Shell, answered: str) -> None:
    assert "May" in shell.loupe("jobs", "fork", answered, "-p", "Which month sold the most?").stdout
    retried = shell.loupe("jobs", "retry", answered, "--after", "3")
    assert retried.returncode == 0
    both = shell.loupe("jobs", "fork", answered, "-p", "Why?", "--value", "f1.s0.p1.y=1")
    assert (both.returncode, both.stderr) == (2, "loupe: change one thing: -p, --code, or what was misread\n")


def test_an_explanation_as_json_names_every_source(shell: Shell, answered: str) -> None:
    nodes = json.loads(shell.loupe("jobs", "explain", answered, "--json").stdout)["nodes"]
    known = {node["node_id"] for node in nodes}
    assert {source for node in nodes for source in node["from_node_ids"]} < known
    kinds = {node["kind"].removeprefix("EXPLANATION_KIND_") for node in nodes}
    assert kinds == {
        *("PICTURE", "FIGURE", "VALUE", "CELL", "CODE_LINE", "NUMBER", "MARK", "PROGRAM", "VERDICT", "ENGINE", "RUN"),
        "ANSWER",
    }


def test_a_mark_of_the_chart_leads_back_to_the_pixels(shell: Shell, answered: str) -> None:
    overview = shell.loupe("jobs", "explain", answered).stdout
    assert "8 of 8 marks and 8 of 8 cells show a number that is known." in overview
    assert "!" not in overview
    trail = [line.strip() for line in shell.loupe("jobs", "explain", answered, "--of", "chart:2").stdout.splitlines()]
    assert re.fullmatch(r"chart:2: bar at “Feb”: 388[.]\d+, at .* of chart.png \(by number, category\)", trail[0])
    assert re.fullmatch(r"cell:3\.2: .*, “Feb” of .*: 388[.]\d+ \(by number, category, series\)", trail[1])
    assert re.fullmatch(r"f1\.s0\.p1\.y: .* at \d+,\d+ to \d+,\d+ \(\d+%\)", trail[2])
    assert trail[3].startswith("f1: a bar chart")
    assert trail[4].startswith("picture:1: picture 1, SHA-256 ")
    assert any("axes.bar(" in line for line in trail)
    none = shell.loupe("jobs", "explain", answered, "--of", "chart:99")
    assert (none.returncode, none.stderr) == (1, "loupe: of_node_ids: the explanation has no node chart:99\n")


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def test_an_owner_is_erased_with_proofs_and_nothing_of_theirs_is_found_again(shell: Shell, answered: str) -> None:
    refused = shell.loupe("erase", "local", text_in="n\n")
    assert refused.returncode != 0
    assert answered in shell.loupe("jobs", "list", "-n", "200").stdout
    erased = shell.loupe("erase", "local", "--yes", "--proofs", "proofs.jsonl")
    assert erased.returncode == 0, erased.stderr
    proofs = [json.loads(line) for line in (shell.folder / "proofs.jsonl").read_text().splitlines()]
    of_jobs = {proof["job_id"]: proof for proof in proofs if "job_id" in proof}
    assert re.fullmatch(r"[0-9a-f]{64}", of_jobs[answered]["log_sha256"])
    assert of_jobs[answered]["step_count"] >= 10
    assert any("file_id" in proof for proof in proofs)
    assert answered not in shell.loupe("jobs", "list", "-n", "200").stdout
    assert shell.loupe("jobs", "show", answered).stderr == f"loupe: there is no job {answered}\n"
    assert not [path for path in (shell.home / "files").rglob("*") if path.is_file()]
    again = shell.loupe("erase", "local", "--yes", "--proofs", "again.jsonl")
    assert (shell.folder / "again.jsonl").read_text() == (shell.folder / "proofs.jsonl").read_text(), again.stderr
