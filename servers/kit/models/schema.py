"""A JSON schema of a protobuf message, as far as a model is to fill it in.

Enums by name without the one that says nothing, bounds from the message's protovalidate rules, and no field that is
left out. A message inside itself is left out, so that the schema is finite and needs no references. Where exactly one
of several fields is required, each of them makes one alternative.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor

from buf.validate import validate_pb2

_F = FieldDescriptor
_WHOLE = (_F.TYPE_INT32, _F.TYPE_SINT32, _F.TYPE_SFIXED32)
_NATURAL = (_F.TYPE_UINT32, _F.TYPE_FIXED32)
_REAL = (_F.TYPE_DOUBLE, _F.TYPE_FLOAT)
# A grammar of a long bounded string takes a second to compile, one of an unbounded string never ends an answer.
_LONGEST_TEXT = 400
# The same holds for lists; longer ones are bounded by the tokens of an answer and held against their limit afterwards.
_LONGEST_LIST = 100
_WRAPPERS = {
    "google.protobuf.DoubleValue": "number",
    "google.protobuf.UInt32Value": "integer",
    "google.protobuf.Int32Value": "integer",
    "google.protobuf.StringValue": "string",
    "google.protobuf.BoolValue": "boolean",
}

Schema = dict[str, Any]


def schema_of(message: Descriptor, leave_out: Collection[str] = (), require: Collection[str] = ()) -> Schema:
    """Return the schema of a message.

    Args:
      leave_out: full names of fields, such as "loupe.type.v1.Value.box".
      require: full names of fields that the message's own rules don't require.
    Raises:
      TypeError: a field is neither left out nor of a type that a model can write (bytes, maps, 64-bit numbers).
    """
    return _message(message, _Wishes(frozenset(leave_out), frozenset(require)), ())


@dataclass(frozen=True, slots=True)
class _Wishes:
    leave_out: frozenset[str]
    require: frozenset[str]


def _message(message: Descriptor, wishes: _Wishes, path: tuple[str, ...]) -> Schema:
    path = (*path, message.full_name)
    wanted = [field for field in message.fields if field.full_name not in wishes.leave_out]
    fields = [one for one in wanted if one.message_type is None or one.message_type.full_name not in path]
    properties = {field.name: _field(field, wishes, path) for field in fields}
    required = [field.name for field in fields if field.full_name in wishes.require or _is_required(field)]
    choices = [one for one in message.oneofs if _must_be_chosen(one)]
    if len(choices) != 1:
        return _object(properties, required)
    # Several required choices would multiply; none of the contracts has them.
    members = [field.name for field in choices[0].fields if field.name in properties]
    alternatives = [
        _object(
            {name: one for name, one in properties.items() if name == chosen or name not in members},
            [chosen, *required],
        )
        for chosen in members
    ]
    return alternatives[0] if len(alternatives) == 1 else {"anyOf": alternatives}


def _object(properties: Schema, required: list[str]) -> Schema:
    made: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return made | ({"required": required} if required else {})


def _field(field: FieldDescriptor, wishes: _Wishes, path: tuple[str, ...]) -> Schema:
    rules = _rules(field)
    if not field.is_repeated:
        return _value(field, rules, wishes, path)
    made: Schema = {"type": "array", "items": _value(field, rules.repeated.items, wishes, path)}
    if least := max(rules.repeated.min_items, int(field.full_name in wishes.require)):
        made["minItems"] = least
    if rules.repeated.HasField("max_items") and rules.repeated.max_items <= _LONGEST_LIST:
        made["maxItems"] = rules.repeated.max_items
    return made


def _value(field: FieldDescriptor, rules: validate_pb2.FieldRules, wishes: _Wishes, path: tuple[str, ...]) -> Schema:
    kind, inner, named = field.type, field.message_type, field.enum_type
    if inner is not None:
        if inner.GetOptions().map_entry:
            raise TypeError(f"{field.full_name} is a map")
        wrapped = _WRAPPERS.get(inner.full_name)
        return {"type": wrapped} if wrapped else _message(inner, wishes, path)
    if named is not None:
        return {"enum": [value.name for value in named.values if value.number != 0]}
    if kind == _F.TYPE_BOOL:
        return {"type": "boolean"}
    if kind == _F.TYPE_STRING:
        return _text(rules.string)
    if kind in _REAL:
        return {"type": "number"} | _bounds(rules.double)
    if kind in _NATURAL:
        return {"type": "integer", "minimum": 0, "maximum": 2**32 - 1} | _bounds(rules.uint32)
    if kind in _WHOLE:
        return {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1} | _bounds(rules.int32)
    raise TypeError(f"{field.full_name} is of a type that a model can't write")


def _text(rules: validate_pb2.StringRules) -> Schema:
    made: Schema = {"type": "string"}
    if rules.pattern:
        return made | {"pattern": rules.pattern}
    if rules.min_len:
        made["minLength"] = rules.min_len
    return made | {"maxLength": min(rules.max_len or _LONGEST_TEXT, _LONGEST_TEXT)}


def _bounds(rules: Any) -> Schema:
    names = {"gte": "minimum", "lte": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
    return {names[name]: getattr(rules, name) for name in names if rules.HasField(name)}


def _is_required(field: FieldDescriptor) -> bool:
    rules = _rules(field)
    if field.is_repeated:
        return bool(rules.repeated.min_items)
    is_named = 0 in rules.enum.not_in if field.type == _F.TYPE_ENUM else False
    return rules.required or is_named or (bool(rules.string.min_len) and not field.has_presence)


def _must_be_chosen(oneof: OneofDescriptor) -> bool:
    rules: validate_pb2.OneofRules = oneof.GetOptions().Extensions[validate_pb2.oneof]
    return rules.required


def _rules(field: FieldDescriptor) -> validate_pb2.FieldRules:
    rules: validate_pb2.FieldRules = field.GetOptions().Extensions[validate_pb2.field]
    return rules
