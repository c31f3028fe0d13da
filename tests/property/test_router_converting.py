"""The laws of Markdown and documents: what is written is read as it was, and what was normal stays so."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loupe.router.v1.document_pb2 import (
    Block,
    CodeBlock,
    Column,
    ColumnAlignment,
    Document,
    Heading,
    List,
    ListItem,
    Paragraph,
    Quote,
    Table,
    TableRow,
    TaskState,
    ThematicBreak,
)
from servers.router.converting.reading import read
from servers.router.converting.writing import written

# Pieces that mean something to Markdown, at the begin of a line or within it.
PIECES = [
    *(
        "a",
        "b c",
        " ",
        "  ",
        "   ",
        "    ",
        "\t",
        "\n",
        "\n\n",
        "#",
        "##",
        "-",
        "--",
        "---",
        "- ",
        "* ",
        "+ ",
        "*",
        "**",
    ),
    *(
        "1. ",
        "2) ",
        "10. ",
        "> ",
        ">",
        "`",
        "```",
        "````",
        "~~~",
        "=",
        "===",
        "___",
        "_",
        "|",
        " | ",
        "|---|",
        ":-:",
        "\\",
    ),
    *("[ ] ", "[x] ", "[a]: /b", "[a](b)", "![", "<div>", "<!--", "&amp;", "\r\n", "\0", "\xa0", "\x0b", "é", "表"),
]
MARKDOWN = st.lists(st.sampled_from(PIECES), max_size=24).map("".join)
TEXT = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=6).map("".join)


def blocks_of(inner):
    """Blocks that may hold blocks."""
    inner = st.lists(inner, max_size=3)
    items = st.builds(ListItem, blocks=inner, task=st.sampled_from(TaskState.values()))
    lists = st.builds(
        List,
        is_ordered=st.booleans(),
        start=st.none() | st.sampled_from([0, 1, 2, 9, 999_999_999]),
        is_loose=st.booleans(),
        items=st.lists(items, min_size=1, max_size=3),
    )
    return lists.map(lambda one: Block(list=one)) | st.builds(Quote, blocks=inner).map(lambda one: Block(quote=one))


COLUMNS = st.lists(st.builds(Column, header=TEXT, alignment=st.sampled_from(ColumnAlignment.values())), max_size=3)
ROWS = st.lists(st.builds(TableRow, cells=st.lists(TEXT, max_size=4)), max_size=3)
LEAVES = st.one_of(
    st.builds(Paragraph, text=TEXT).map(lambda one: Block(paragraph=one)),
    st.builds(Heading, level=st.integers(1, 6), text=TEXT).map(lambda one: Block(heading=one)),
    st.builds(CodeBlock, info=TEXT, text=TEXT).map(lambda one: Block(code=one)),
    st.builds(Table, columns=COLUMNS, rows=ROWS).map(lambda one: Block(table=one)),
    st.just(Block(thematic_break=ThematicBreak())),
)
DOCUMENTS = st.builds(Document, blocks=st.lists(st.recursive(LEAVES, blocks_of, max_leaves=8), max_size=4))


@given(MARKDOWN)
def test_what_was_read_and_written_is_normal_and_reads_as_it_was(markdown):
    document = read(markdown)
    normal = written(document)
    assert read(normal) == document
    assert written(read(normal)) == normal


@given(DOCUMENTS)
def test_any_document_is_written_as_one_that_stays(document):
    normal = read(written(document))
    assert read(written(normal)) == normal
    assert written(normal) == written(document)


def shape(blocks):
    """What kinds stand where, without what says nothing."""
    made: list[tuple[object, ...]] = []
    for block in blocks:
        kind = block.WhichOneof("kind")
        part = getattr(block, kind)
        if kind == "list":
            made.append((kind, part.is_ordered, [shape(item.blocks) for item in part.items]))
        elif kind == "quote":
            made.append((kind, shape(part.blocks)))
        elif (kind != "paragraph" or part.text.strip()) and (kind != "table" or part.columns):
            made.append((kind,))
    return made


@given(DOCUMENTS)
def test_no_text_becomes_a_block_of_its_own(document):
    for block in every(document.blocks):
        for item in block.list.items:
            item.task = TaskState.TASK_STATE_UNSPECIFIED  # a box is words where no words follow
    assert shape(read(written(document)).blocks) == shape(document.blocks)


def every(blocks):
    for block in blocks:
        yield block
        for inner in (block.quote.blocks, *(item.blocks for item in block.list.items)):
            yield from every(inner)
