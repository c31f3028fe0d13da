"""Server-sent events read the same wherever the network cuts them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.router import sse
from servers.router.sse import EventTooLarge, ServerSentEvent, SseParser

STREAM = (
    b"\xef\xbb\xbf: hello\r\ndata: one\r\n\r\ndata:two\ndata\ndata:  three\n\nevent: ping\nid: 4\ndata: {}\r\r"
    b"retry: 9\nevent: lost\n\ndata: \xc3\xa9\xe2\x82\xac\n\nevent\ndata: last\n\ndata: cut off"
)
EVENTS = [
    ServerSentEvent(b"one"),
    ServerSentEvent(b"two\n\n three"),
    ServerSentEvent(b"{}", "ping"),
    ServerSentEvent("é€".encode()),
    ServerSentEvent(b"last"),
]


def read(pieces: list[bytes]) -> list[ServerSentEvent]:
    parser = SseParser()
    return [event for piece in pieces for event in parser.feed(piece)]


def test_a_stream_in_one_piece_is_read_as_the_standard_says():
    assert read([STREAM]) == EVENTS


def test_a_cut_at_any_byte_changes_nothing():
    for at in range(len(STREAM) + 1):
        assert read([STREAM[:at], STREAM[at:]]) == EVENTS, at


def test_one_byte_at_a_time_changes_nothing():
    assert read([STREAM[at : at + 1] for at in range(len(STREAM))]) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=12).map(sorted))
def test_cuts_anywhere_change_nothing(cuts):
    bounds = [0, *cuts, len(STREAM)]
    assert read([STREAM[a:b] for a, b in itertools.pairwise(bounds)]) == EVENTS


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_in_any_pieces_are_read_as_in_one(pieces):
    assert read(pieces) == read([b"".join(pieces)])


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_what_is_written_is_what_is_read(lines):
    written = b"".join(b"data: " + line.encode() + b"\n" for line in lines) + b"\n"
    assert read([written]) == [ServerSentEvent("\n".join(lines).encode())]


@pytest.mark.parametrize("data", [b"data: " + b"x" * 200, b"x" * 200, b"data: xxxxxxxxxxxxx\n" * 20])
def test_an_event_without_end_is_refused_and_not_kept(monkeypatch, data):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    with pytest.raises(EventTooLarge):
        read([data[at : at + 7] for at in range(0, len(data), 7)])
