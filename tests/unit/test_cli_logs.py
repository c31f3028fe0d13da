"""Log lines for people."""

from __future__ import annotations

from cli.logs import readable


def test_a_record_reads_as_time_server_message_and_the_rest() -> None:
    line = '{"time": "2026-11-21T08:13:22.104Z", "level": "INFO", "server": "files", "message": "rpc", "ms": 1.2}'

    assert readable("files", line) == "08:13:22.104 files: rpc ms=1.2"


def test_what_is_not_information_says_how_bad_it_is_and_shows_its_traceback() -> None:
    line = '{"time": "2026-11-21T08:13:22.104Z", "level": "ERROR", "message": "failed", "traceback": "Traceback\\n  x"}'

    assert readable("files", line) == "08:13:22.104 files: ERROR failed\nTraceback\n  x"


def test_a_line_of_another_program_stays_as_it_is() -> None:
    assert readable("envoy", "[warning] something") == "             envoy: [warning] something"
    assert readable("envoy", "17") == "             envoy: 17"
