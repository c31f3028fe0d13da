"""What the kit does for every call: aspects around it, its line in the log, its id."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os

import pytest

from servers.kit import identity
from servers.kit.errors import DeadlineExceeded, NotFound, Overloaded
from servers.kit.ids import new_id
from servers.kit.interceptors.call import Around, Call
from servers.kit.interceptors.concurrency import concurrency
from servers.kit.interceptors.deadline import deadline
from servers.kit.logs import JsonHandler

CALL = Call("/a/B", {}, False, None)


class Noting:
    """An aspect that notes its two ends."""

    def __init__(self, name, seen, *, raises=False):
        self.name, self.seen, self.raises = name, seen, raises

    def __call__(self, _call):
        return self

    def __enter__(self):
        self.seen.append(f"in {self.name}")

    def __exit__(self, kind, *_error):
        self.seen.append(f"out {self.name} {kind.__name__ if kind else 'well'}")
        if self.raises:
            raise NotFound(self.name)


def test_aspects_end_in_the_opposite_order_whatever_one_of_them_raises():
    seen: list[str] = []
    with pytest.raises(NotFound), Around(CALL, (Noting("a", seen), Noting("b", seen, raises=True))):
        pass
    assert seen == ["in a", "in b", "out b well", "out a well"]


def test_an_aspect_that_refuses_ends_those_before_it():
    seen: list[str] = []

    def refuses(_call):
        raise Overloaded("no")

    with pytest.raises(Overloaded), Around(CALL, (Noting("a", seen), refuses, Noting("b", seen))):
        raise AssertionError
    assert seen == ["in a", "out a Overloaded"]


async def test_a_place_is_free_again_after_an_error_and_after_a_deadline():
    aspects = (deadline(0.01), concurrency(1, 1))
    for _ in range(2):
        with pytest.raises(NotFound), Around(CALL, aspects):
            raise NotFound("gone")
        with pytest.raises(DeadlineExceeded, match=r"within its 0\.0 s"), Around(CALL, aspects):
            await asyncio.Event().wait()
    with Around(CALL, aspects), pytest.raises(Overloaded), Around(CALL, aspects):
        raise AssertionError
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_cancelled_call_is_no_late_one():
    async def call():
        with Around(CALL, (deadline(60.0),)):
            assert identity.deadline() is not None
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_lines_of_calls_read_as_records_do_and_come_before_what_is_logged_after_them():
    stream = io.StringIO()
    handler = JsonHandler("router", stream)
    handler.call("openai Complete", "OK", 1.25, "req_1")
    handler.call("openai Complete", "NOT_FOUND", 0.5, "req_2")
    assert stream.getvalue() == ""
    extra = {"method": "openai Complete", "code": "OK", "ms": 1.25, "request_id": "req_1"}
    record = logging.makeLogRecord({"levelname": "INFO", "levelno": logging.INFO, "msg": "rpc"} | extra)
    handler.handle(record)
    first, second, third = [json.loads(line) for line in stream.getvalue().splitlines()]
    times = [line.pop("time") for line in (first, second, third)]
    assert first == third == {"level": "INFO", "server": "router", "message": "rpc"} | extra
    assert list(first) == list(third)
    assert (second["code"], second["request_id"]) == ("NOT_FOUND", "req_2")
    assert times == sorted(times)
    handler.call("openai Embed", "OK", 1.0, "req_3")
    handler.flush()
    assert stream.getvalue().count("\n") == 4


def test_a_forked_process_draws_ids_of_its_own():
    new_id("job")  # some more are drawn with it
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_id("job").encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as told:
        theirs = told.read()
    assert len(theirs) == 30
    assert theirs not in {new_id("job") for _ in range(1000)}
