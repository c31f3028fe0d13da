"""The registry of error reasons, the classes and the page about them say the same."""

from __future__ import annotations

import re
from pathlib import Path

import grpc
import pytest

from loupe.type.v1.error_reason_pb2 import ErrorReason
from servers.kit import errors
from servers.kit.errors import InvalidField, LoupeError, Overloaded, class_of
from servers.kit.status import from_rpc_error, to_status

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
CLASSES = sorted(LoupeError.__subclasses__(), key=lambda cls: cls.__name__)


def test_the_page_lists_every_reason_with_its_code():
    rows = dict(re.findall(r"^\| ([A-Z_]+) \| ([A-Z_]+|\(in incidents\)) \|", PAGE.read_text(), flags=re.MULTILINE))
    registry = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()} - {"UNSPECIFIED"}  # noqa: SIM118 - an enum type
    assert set(rows) == registry
    for cls in CLASSES:
        assert rows[ErrorReason.Name(cls.reason).removeprefix("ERROR_REASON_")] == cls.code


def test_each_class_has_a_reason_of_its_own_and_stands_in_the_drawn_tree():
    assert len({cls.reason for cls in CLASSES}) == len(CLASSES)
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert sorted(drawn) == [cls.__name__ for cls in CLASSES]


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls is not InvalidField], ids=lambda cls: cls.__name__)
def test_what_one_server_raises_its_caller_raises_again(cls):
    raised = from_rpc_error(_received(cls("so it is")))
    assert (type(raised), raised.message, raised.retry_after_s) == (cls, "so it is", cls("so it is").retry_after_s)
    assert class_of(cls.reason) is cls


def test_the_field_and_the_delay_travel_too():
    raised = from_rpc_error(_received(InvalidField("spec.question", "is too long", ("spec.inputs", "is empty"))))
    assert raised.violations == (("spec.question", "is too long"), ("spec.inputs", "is empty"))
    assert from_rpc_error(_received(Overloaded("full", retry_after_s=2.5))).retry_after_s == 2.5


def test_the_server_that_failed_is_named_by_whoever_knows_it():
    gone = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata())
    asked = from_rpc_error(gone, "files")
    assert (asked.server, asked.message) == ("files", "the files server does not answer")
    # Vision answers so, and the orchestrator learns what vision knew.
    assert from_rpc_error(_received(asked), "vision").server == "files"
    assert from_rpc_error(_received(Overloaded("full")), "vision").server == "vision"
    assert from_rpc_error(_received(Overloaded("full"))).server == ""


def _received(error: LoupeError) -> grpc.aio.AioRpcError:
    """The error as grpc gives it to a client."""
    status = to_status(error, request_id="r")
    return grpc.aio.AioRpcError(
        status.code, grpc.aio.Metadata(), grpc.aio.Metadata(*status.trailing_metadata), details=status.details
    )
