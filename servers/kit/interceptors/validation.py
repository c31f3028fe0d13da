"""Checks every incoming message against the constraints in its schema."""

from __future__ import annotations

import protovalidate
from google.protobuf.message import Message

from servers.kit.errors import InvalidField

MAX_REPORTED = 10


def check(message: object) -> None:
    """Raise InvalidField naming each field that breaks a constraint, at most ten."""
    if not isinstance(message, Message):
        return
    violations = protovalidate.collect_violations(message)
    if not violations:
        return
    problems = [(_path(violation), violation.proto.message or violation.proto.rule_id) for violation in violations]
    (field, text), *more = problems[:MAX_REPORTED]
    raise InvalidField(field, text, *more)


def _path(violation: protovalidate.Violation) -> str:
    """Return a field path as people write it: spec.inputs[0].file_id."""
    if violation.proto.field is None:
        return "request"
    path = ""
    for element in violation.proto.field.elements:
        path += ("." if path else "") + element.field_name
        subscript = element.subscript
        if subscript is not None:
            path += f"[{subscript.value}]"
    return path or "request"
