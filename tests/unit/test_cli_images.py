"""What a user names on the command line, right and wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.bundle_folder import write_whole
from cli.errors import CommandFailed, ExitCode, worst
from cli.images import OutputNames, checked_question, make_folder, readable, shown


def test_what_can_be_read_goes_on_and_each_of_the_rest_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = tmp_path / "good.png"
    good.write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe.png")

    found, codes = readable([good, tmp_path / "none.png", tmp_path, tmp_path / "pipe.png"])

    assert found == [good]
    assert codes == [ExitCode.USAGE] * 3
    assert capsys.readouterr().err.splitlines() == [
        f"loupe: {tmp_path}/none.png: no such file or directory",
        f"loupe: {tmp_path}: is a folder, not an image",
        f"loupe: {tmp_path}/pipe.png: is not a regular file",
    ]


def test_a_name_with_control_characters_can_not_steer_the_terminal() -> None:
    assert shown(Path("a\x1b[31m.png")) == "a�[31m.png"


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("", "the question is empty: leave -p away to have the picture described"),
        (" \n", "the question is empty: leave -p away to have the picture described"),
        ("a" * 20_000, "the question has 20,000 characters, at most 4,000"),
        ("which\udcff", "the question is not valid UTF-8"),
    ],
)
def test_a_question_that_no_job_takes_is_wrong_usage(question: str, message: str) -> None:
    with pytest.raises(CommandFailed) as refused:
        checked_question(question)

    assert refused.value.message == message
    assert refused.value.exit_code == ExitCode.USAGE


def test_no_question_and_a_question_of_the_greatest_length_are_taken() -> None:
    assert checked_question(None) is None
    assert checked_question("é" * 4000) == "é" * 4000


def test_equal_names_are_numbered() -> None:
    names = OutputNames()

    assert [names.take("chart") for _ in range(3)] == ["chart", "chart-2", "chart-3"]


def test_a_numbered_name_that_is_taken_is_passed_over() -> None:
    names = OutputNames(["chart", "chart-2"])

    assert names.take("chart") == "chart-3"


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CommandFailed, match=r"can't write to .*file: file exists"):
        make_folder(tmp_path / "file")


def test_a_file_that_could_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "data.csv").mkdir()  # a file can't take a folder's place

    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "data.csv", b"1")

    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]


def test_a_whole_file_replaces_the_one_before(tmp_path: Path) -> None:
    for content in (b"first", b"second"):
        write_whole(tmp_path / "data.csv", content)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"data.csv": b"second"}


def test_of_several_codes_the_worst_is_kept() -> None:
    assert worst([]) == 0
    assert worst([ExitCode.ANSWERED, ExitCode.UNANSWERABLE]) == 3
    assert worst([ExitCode.UNANSWERABLE, ExitCode.FAILED, ExitCode.ANSWERED]) == 1
    assert worst([ExitCode.UNANSWERABLE, ExitCode.USAGE]) == 2
