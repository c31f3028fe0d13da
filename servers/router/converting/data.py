"""Data as a document: lists of records as tables, what is within objects under headings, the rest in lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeGuard

import orjson

from loupe.router.v1.document_pb2 import Block, Column, Document, Heading, List, ListItem, Paragraph, Table, TableRow
from servers.kit.errors import InvalidField, TooLarge

MAX_DEPTH = 12
MAX_VALUES = 50_000
MAX_COLUMNS = 100
"""Of a table; a list of records with more names becomes a list of lists."""
_DEEPEST_HEADING = 6
# What would be taken for Markdown within a line.
_MARKS = re.compile(r"([\\`*_\[\]<>&~!])")


def document_of(data_json: str) -> Document:
    """Return JSON as a document. Its texts show as they are: nothing in them is taken for Markdown.

    Raises:
      InvalidField: it is no JSON.
      TooLarge: it is nested deeper or has more values than the limits here.
    """
    try:
        value = orjson.loads(data_json)
    except orjson.JSONDecodeError as error:
        raise InvalidField("data_json", f"is no JSON: {error}") from error
    _measure(value)
    return Document(blocks=_blocks(value, 1))


def _measure(value: Any) -> None:
    """Raise TooLarge for data beyond the limits; before any of it is turned into anything."""
    count, level = 0, [value]
    for _ in range(MAX_DEPTH + 1):
        count += len(level)
        if count > MAX_VALUES:
            raise TooLarge(f"the data has over {MAX_VALUES} values")
        level = [inner for one in level if isinstance(one, dict | list) for inner in _within(one)]
        if not level:
            return
    raise TooLarge(f"the data is nested over {MAX_DEPTH} deep")


def _within(value: dict[str, Any] | list[Any]) -> list[Any]:
    return [*value.values()] if isinstance(value, dict) else value


def _blocks(value: Any, level: int) -> Iterator[Block]:
    """Yield the blocks of a value whose parts get headings of a level; beyond the deepest they are lists."""
    if isinstance(value, dict) and value:
        plain = {name: one for name, one in value.items() if not _is_compound(one)}
        if plain:
            yield _list([_named(name, one) for name, one in plain.items()])
        rest = {name: one for name, one in value.items() if _is_compound(one)}
        for name, one in rest.items():
            if level > _DEEPEST_HEADING:
                words = Block(paragraph=Paragraph(text=f"**{_shown(name)}**:"))
                yield _list([ListItem(blocks=[words, *_blocks(one, level)])])
            else:
                yield Block(heading=Heading(level=level, text=_shown(name)))
                yield from _blocks(one, level + 1)
    elif isinstance(value, list) and value:
        names = _names_of_records(value)
        if names:
            yield Block(table=_table(names, value))
        else:
            yield _list([ListItem(blocks=_blocks(one, _DEEPEST_HEADING + 1)) for one in value])
    else:
        yield Block(paragraph=Paragraph(text=_shown(value)))


def _is_compound(value: Any) -> TypeGuard[dict[str, Any] | list[Any]]:
    return isinstance(value, dict | list) and bool(value)


def _names_of_records(values: list[Any]) -> list[str]:
    """Return the names that records have, in the order of their coming; none where some are no records."""
    names: dict[str, None] = {}
    for one in values:
        if not isinstance(one, dict) or not one or any(_is_compound(inner) for inner in one.values()):
            return []
        names |= dict.fromkeys(one)
    return list(names) if len(names) <= MAX_COLUMNS else []


def _table(names: list[str], records: list[dict[str, Any]]) -> Table:
    rows = [TableRow(cells=[_shown(record[name]) if name in record else "" for name in names]) for record in records]
    return Table(columns=[Column(header=_shown(name)) for name in names], rows=rows)


def _list(items: list[ListItem]) -> Block:
    return Block(list=List(items=items))


def _named(name: str, value: Any) -> ListItem:
    return ListItem(blocks=[Block(paragraph=Paragraph(text=f"**{_shown(name)}**: {_shown(value)}"))])


def _shown(value: Any) -> str:
    """Return a value in words, with a backslash before each letter that is more to Markdown than itself."""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return _MARKS.sub(r"\\\1", " ".join(text.split()))
