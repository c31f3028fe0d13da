"""Markdown, documents and data turned into each other, and JSON found in what a model said."""

from __future__ import annotations

import json
import sys

import pytest
from google.protobuf.json_format import MessageToDict

from loupe.router.v1.document_pb2 import ConvertRequest, ConvertTarget, Document
from servers.kit.errors import InvalidField, TooLarge
from servers.router.converting.answers import find
from servers.router.converting.converting import converted
from servers.router.converting.data import document_of
from servers.router.converting.reading import MAX_BLOCKS, MAX_CELLS, read
from servers.router.converting.writing import written

ANSWER = """\
Sales by month
==============

Coffee *grew* [fastest](https://example.org), see
the table:

Month | Cups
:-----|----:
April | 12
May   | 5 \\| 6

1. pour
2. wait
   - [x] a minute
   - [ ] or `two`

~~~python
print("```")
~~~

> Tea fell.
>
> # Note
***
"""
NORMAL = """\
# Sales by month

Coffee *grew* [fastest](https://example.org), see
the table:

| Month | Cups |
| :-- | --: |
| April | 12 |
| May | 5 \\| 6 |

1. pour
2. wait
   * [x] a minute
   * [ ] or `two`

````python
print("```")
````

> Tea fell.
>
> # Note

___
"""


def test_markdown_is_read_as_blocks():
    blocks = MessageToDict(read(ANSWER), preserving_proto_field_name=True)["blocks"]
    assert blocks == [
        {"heading": {"level": 1, "text": "Sales by month"}},
        {"paragraph": {"text": "Coffee *grew* [fastest](https://example.org), see\nthe table:"}},
        {
            "table": {
                "columns": [
                    {"header": "Month", "alignment": "COLUMN_ALIGNMENT_LEFT"},
                    {"header": "Cups", "alignment": "COLUMN_ALIGNMENT_RIGHT"},
                ],
                "rows": [{"cells": ["April", "12"]}, {"cells": ["May", "5 | 6"]}],
            }
        },
        {
            "list": {
                "is_ordered": True,
                "items": [
                    {"blocks": [{"paragraph": {"text": "pour"}}]},
                    {
                        "blocks": [
                            {"paragraph": {"text": "wait"}},
                            {
                                "list": {
                                    "items": [
                                        {"task": "TASK_STATE_DONE", "blocks": [{"paragraph": {"text": "a minute"}}]},
                                        {"task": "TASK_STATE_OPEN", "blocks": [{"paragraph": {"text": "or `two`"}}]},
                                    ]
                                }
                            },
                        ]
                    },
                ],
            }
        },
        {"code": {"info": "python", "text": 'print("```")\n'}},
        {"quote": {"blocks": [{"paragraph": {"text": "Tea fell."}}, {"heading": {"level": 1, "text": "Note"}}]}},
        {"thematic_break": {}},
    ]


def test_it_is_written_in_one_form_which_stays():
    assert written(read(ANSWER)) == NORMAL
    assert written(read(NORMAL)) == NORMAL


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("# no heading", "\\# no heading"),
        ("1. no list", "1\\. no list"),
        ("- no list\n2) either", "\\- no list\n2\\) either"),
        ("> no quote", "\\> no quote"),
        ("a\n===", "a\n\\==="),
        ("a | b\n--|--", "a | b\n\\--|--"),
        ("```\nno code", "\\```\nno code"),
        ("a\n\n   b", "a\nb"),
        ("#1 is fine, so are -1 and 1.5", "#1 is fine, so are -1 and 1.5"),
    ],
)
def test_a_text_can_not_begin_a_block_of_its_own(text, markdown):
    made = Document()
    made.blocks.add().paragraph.text = text
    assert written(made) == markdown + "\n"
    (block,) = read(markdown).blocks
    assert block.paragraph.text == "\n".join(line.strip() for line in text.split("\n") if line)


def test_lists_beside_each_other_stay_apart():
    made = Document()
    for _ in range(3):
        made.blocks.add().list.items.add().blocks.add().paragraph.text = "a"
    assert written(made) == "- a\n\n+ a\n\n- a\n"
    assert read(written(made)) == made


def bomb(kind, size):
    """Hostile Markdown of about so many bytes."""
    return {
        "quotes": "> " * 16 + "a\n" + "a\n" * (size // 2),
        "lists": "\n".join("  " * (n % 14) + "- a" for n in range(size // 16)),
        "brackets": "[" * size,
        "emphasis": "*a **a " * (size // 7),
        "backticks": "".join("`" * (n % 50 + 1) + " " for n in range(size // 26)),
        "fences": "```a\n~~~\n" * (size // 9),
        "wide table": "|a" * 20 + "\n" + "|-" * 20 + "\n" + "|\n" * (size // 4),
        "pipes": "a | b\n" * (size // 6),
        "underlines": "a\n" * (size // 2) + "===",
        "definitions": "[a]: b\n" * (size // 7),
        "html": "<div>\n" * (size // 6),
    }[kind]


KINDS = (
    *("quotes", "lists", "brackets", "emphasis", "backticks", "fences", "wide table", "pipes", "underlines"),
    *("definitions", "html"),
)


def work(markdown):
    """How many lines of Python it takes to read and write a text, the same on every machine."""
    count = 0

    def traced(frame, event, _argument):
        nonlocal count
        count += event == "line"
        return traced

    sys.settrace(traced)
    try:
        written(read(markdown))
    except TooLarge:
        pass
    finally:
        sys.settrace(None)
    return count


@pytest.mark.parametrize("kind", KINDS)
def test_twice_the_text_is_twice_the_work_whatever_is_in_it(kind):
    read("a")  # the parser is made
    once, twice = work(bomb(kind, 1_500)), work(bomb(kind, 3_000))
    assert twice < 2.6 * once, (once, twice)


@pytest.mark.parametrize(
    "markdown",
    [
        "> " * 17 + "a",
        "- " * 9 + "a",
        "#\n" * (MAX_BLOCKS + 1),
        "|a" * 500 + "\n" + "|-" * 500 + "\n" + "|\n" * (MAX_CELLS // 500),
        "a" * 131_073,
    ],
    ids=["quotes", "lists", "blocks", "cells", "bytes"],
)
def test_what_is_beyond_the_limits_is_refused_and_not_cut(markdown):
    with pytest.raises(TooLarge):
        read(markdown)


def test_data_becomes_tables_headings_and_lists():
    data = {
        "title": "Cups | *sold*",
        "total": 17,
        "months": [{"name": "April", "cups": 12}, {"name": "May", "cups": None, "note": "cold\nand wet"}],
        "place": {"city": "Oslo", "shops": ["a", "b", {"c": []}]},
    }
    assert written(document_of(json.dumps(data))) == (
        "- **title**: Cups | \\*sold\\*\n"
        "- **total**: 17\n\n"
        "# months\n\n"
        "| name | cups | note |\n| --- | --- | --- |\n| April | 12 |  |\n| May | null | cold and wet |\n\n"
        "# place\n\n"
        "- **city**: Oslo\n\n"
        "## shops\n\n"
        "- a\n- b\n- * **c**: \\[\\]\n"
    )
    assert written(document_of("3")) == "3\n"
    assert written(document_of('"# no heading"')) == "\\# no heading\n"
    assert written(document_of("[]")) == "\\[\\]\n"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ("{", InvalidField),
        ("NaN", InvalidField),
        ("[" * 20 + "]" * 20, TooLarge),
        (json.dumps([0] * 50_001), TooLarge),
        ("[" * 5000 + "]" * 5000, InvalidField),
    ],
)
def test_data_has_limits(data, error):
    with pytest.raises(error):
        document_of(data)


@pytest.mark.parametrize(
    ("answer", "found", "dropped"),
    [
        ('{"a": 1}', '{"a": 1}', ()),
        (" 3 \n", "3", ()),
        (
            'Sure!\n```json\n{"a": [1, 2]}\n```\nAnything else?',
            '{"a": [1, 2]}',
            ("Sure!\n```json\n", "```\nAnything else?"),
        ),
        ("~~~\n[1]\n~~~", "[1]", ("~~~\n", "~~~")),
        ('It is {"a": "}"} [sic], {name}.', '{"a": "}"}', ("It is ", " [sic], {name}.")),
        ('```python\nx = {}\n```\n```json\n{"a": 1}\n```', '{"a": 1}', ("```python\nx = {}\n```\n```json\n", "```")),
        # As it stood: neither the order nor the space is touched.
        ('{"b": 1,\n "a": 1.0}', '{"b": 1,\n "a": 1.0}', ()),
    ],
)
def test_the_json_of_an_answer_is_found_and_what_stood_around_it_is_told(answer, found, dropped):
    assert find(answer) == (found, dropped)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("I can't say.", "no JSON"),
        ("", "no JSON"),
        ('{"a": 1} or {"a": 2}', "2 JSON documents"),
        ('```json\n{"a": 1}\n```\n```json\n{"a": 2}\n```', "2 JSON documents"),
        ('{"a": [1, 2], "b": }', "broken at character 19"),
        ('```json\n{"a": [1, 2], "b": }\n```', "broken at character 27"),
        ('Here: {"a": [1, 2]', "broken at character"),
        ('{"a": NaN}', "broken at character 6"),
        ("{'a': [1]}, then", "broken at character 1"),
        ("{a: [1]}, then", "broken at character 1"),
        ("[" * 100_000, "broken"),
        ("{x " * 100, "over 64 brackets"),
        ("```\na\n" * 200, "over 64 fences"),
    ],
)
def test_nothing_is_repaired_and_no_part_is_taken_for_the_whole(answer, why):
    with pytest.raises(InvalidField, match=why):
        find(answer)


def test_what_goes_together_is_said_and_what_does_not_is_refused():
    assert converted(ConvertRequest(markdown="# a")).document.blocks[0].heading.text == "a"
    normal = converted(ConvertRequest(markdown="a\n=", target=ConvertTarget.CONVERT_TARGET_MARKDOWN))
    assert normal.markdown == "# a\n"
    assert converted(ConvertRequest(document=read("# a"))).markdown == "# a\n"
    assert converted(ConvertRequest(data_json='{"a": 1}')).markdown == "- **a**: 1\n"
    as_blocks = ConvertRequest(data_json='{"a": 1}', target=ConvertTarget.CONVERT_TARGET_DOCUMENT)
    assert converted(as_blocks).document == read("- **a**: 1\n")
    made = converted(ConvertRequest(answer="It is [1]."))
    assert (made.json, list(made.dropped)) == ("[1]", ["It is ", "."])
    with pytest.raises(InvalidField, match="target"):
        converted(ConvertRequest(answer="[1]", target=ConvertTarget.CONVERT_TARGET_MARKDOWN))
    with pytest.raises(InvalidField, match="target"):
        converted(ConvertRequest(markdown="[1]", target=ConvertTarget.CONVERT_TARGET_JSON))
