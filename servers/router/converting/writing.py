"""A document as Markdown, in one way only: what is written from equal documents is equal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from loupe.router.v1.document_pb2 import (
    Block,
    CodeBlock,
    ColumnAlignment,
    Document,
    List,
    ListItem,
    Paragraph,
    Table,
    TaskState,
)
from servers.router.converting.lines import TASK, escaped, escaped_heading, one_line, plain, tidy

# Not of the marks of lists, so that no item before it makes something else of it.
_BREAK = "___"
_MOST_NUMBER = 999_999_999
_BACKTICKS = re.compile(r"`+")
_TILDES = re.compile(r"~+")
_DELIMITERS = {
    ColumnAlignment.COLUMN_ALIGNMENT_UNSPECIFIED: "---",
    ColumnAlignment.COLUMN_ALIGNMENT_LEFT: ":--",
    ColumnAlignment.COLUMN_ALIGNMENT_CENTER: ":-:",
    ColumnAlignment.COLUMN_ALIGNMENT_RIGHT: "--:",
}
_BOXES = {TaskState.TASK_STATE_OPEN: "[ ]", TaskState.TASK_STATE_DONE: "[x]"}
# What begins by itself after a paragraph, though no empty line stands between.
_INTERRUPTING = ("code", "quote", "heading", "thematic_break")


def written(document: Document) -> str:
    """Return a document as Markdown that `reading.read` reads as the same document.

    Texts that would begin a block of their own are kept from it by a backslash. What says nothing (a paragraph without
    words, a list without items, a table without columns) is left out; a nested list or paragraph without its place is
    never lost.
    """
    lines = [*_apart(document.blocks, 0)]
    return "\n".join(lines) + "\n" if lines else ""


def _apart(blocks: Sequence[Block], depth: int) -> Iterator[str]:
    """Yield the lines of blocks with an empty line between each two."""
    for number, (block, mark) in enumerate(_marked(blocks)):
        if number:
            yield ""
        yield from _lines(block, mark, depth)


def _close(blocks: Sequence[Block], depth: int) -> Iterator[str]:
    """Yield the lines of blocks without anything between them."""
    for block, mark in _marked(blocks):
        yield from _lines(block, mark, depth)


def _marked(blocks: Sequence[Block]) -> Iterator[tuple[Block, int]]:
    """Yield what is to be written; of two lists beside each other the second has another mark (1), or they were one."""
    before: List | None = None
    mark = 0
    for block in blocks:
        if not _says_something(block):
            continue
        if block.HasField("list"):
            mark = 1 - mark if before is not None and before.is_ordered == block.list.is_ordered else 0
            before = block.list
        else:
            before = None
        yield block, mark


def _says_something(block: Block) -> bool:
    match block.WhichOneof("kind"):
        case "paragraph":
            return bool(tidy(block.paragraph.text))
        case "list":
            return bool(block.list.items)
        case "table":
            return bool(block.table.columns)
    return block.WhichOneof("kind") is not None


def _lines(block: Block, mark: int, depth: int) -> Iterator[str]:
    match block.WhichOneof("kind"):
        case "heading":
            hashes = "#" * min(max(block.heading.level, 1), 6)
            yield f"{hashes} {escaped_heading(one_line(block.heading.text))}".rstrip(" ")
        case "paragraph":
            yield from escaped(tidy(block.paragraph.text)).split("\n")
        case "list":
            yield from _list(block.list, mark, depth)
        case "table":
            yield from _table(block.table)
        case "code":
            yield from _code(block.code)
        case "quote":
            inner = [*_apart(block.quote.blocks, depth)]
            yield from (f"> {line}" if line else ">" for line in inner or [""])
        case "thematic_break":
            yield _BREAK


def _list(made: List, mark: int, depth: int) -> Iterator[str]:
    items = [_item_blocks(item) for item in made.items]
    is_loose = _is_loose(made, items)
    for number, blocks in enumerate(items):
        if number and is_loose:
            yield ""
        if made.is_ordered:
            start = made.start if made.HasField("start") else 1
            sign = f"{min(start + number, _MOST_NUMBER)}{'.)'[mark]}"
        else:
            # By turns, or three of the same beside each other would be a line across.
            sign = "+" if mark else "-*"[depth % 2]
        lines = [*(_apart(blocks, depth + 1) if is_loose else _close(blocks, depth + 1))]
        indent = " " * (len(sign) + 1)
        yield f"{sign} {lines[0]}" if lines else sign
        yield from (indent + line if line else "" for line in lines[1:])


def _item_blocks(item: ListItem) -> list[Block]:
    """Return an item's blocks, its box as the first words of them."""
    blocks = [block for block in item.blocks if _says_something(block)]
    box = _BOXES.get(item.task, "")
    first = blocks[0].paragraph.text if blocks and blocks[0].HasField("paragraph") else None
    if first is not None and (box or TASK.match(tidy(first))):
        # A box that is none keeps a backslash before it.
        text = f"{box} {tidy(first)}" if box else "\\" + tidy(first)
        return [Block(paragraph=Paragraph(text=text)), *blocks[1:]]
    return [Block(paragraph=Paragraph(text=box)), *blocks] if box else blocks


def stands_apart(made: List) -> bool:
    """Return whether a list reads as loose once it is written: empty lines stand in it, and paragraphs to be seen."""
    items = [_item_blocks(item) for item in made.items]
    has_gaps = len(items) > 1 or any(len(blocks) > 1 for blocks in items)
    return has_gaps and _is_loose(made, items) and _has_words(items)


def _is_loose(made: List, items: Sequence[Sequence[Block]]) -> bool:
    return (made.is_loose and _has_words(items)) or any(_must_be_loose(blocks) for blocks in items)


def _has_words(items: Sequence[Sequence[Block]]) -> bool:
    return any(block.HasField("paragraph") for blocks in items for block in blocks)


def _must_be_loose(blocks: Sequence[Block]) -> bool:
    """Return whether some of an item's blocks would run into the next without an empty line between."""
    return any(not _may_touch(before, after) for before, after in pairwise(blocks))


def _may_touch(before: Block, after: Block) -> bool:
    kind = after.WhichOneof("kind")
    match before.WhichOneof("kind"):
        case "paragraph" | "list":
            if kind == "list" and before.HasField("paragraph"):
                # Neither a number other than 1 nor an empty item ends a paragraph.
                is_first = not after.list.is_ordered or not after.list.HasField("start") or after.list.start == 1
                return is_first and bool(_item_blocks(after.list.items[0]))
            return kind in _INTERRUPTING
        case "heading" | "code" | "thematic_break":
            return True
    return False


def _table(table: Table) -> Iterator[str]:
    yield _row([column.header for column in table.columns])
    yield _row([_DELIMITERS[column.alignment] for column in table.columns])
    width = len(table.columns)
    for row in table.rows:
        cells = [*row.cells[:width], *[""] * (width - len(row.cells))]
        yield _row(cells)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(one_line(cell).replace("|", "\\|") for cell in cells) + " |"


def _code(code: CodeBlock) -> Iterator[str]:
    info = one_line(code.info)
    text = plain(code.text)
    runs, sign = (_TILDES, "~") if "`" in info else (_BACKTICKS, "`")
    fence = sign * max(3, 1 + max(map(len, runs.findall(text)), default=0))
    yield f"{fence} {info}" if info.startswith("~") else fence + info
    if text:
        yield from text.removesuffix("\n").split("\n")
    yield fence
