"""Markdown as a document: blocks as CommonMark has them, and GitHub's tables and tasks; lines stay what they are."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from loupe.router.v1.document_pb2 import (
    Block,
    Column,
    ColumnAlignment,
    Document,
    List,
    ListItem,
    Quote,
    Table,
    TaskState,
)
from servers.kit.errors import TooLarge
from servers.router.converting.lines import TASK, one_line, tidy, unescaped, unescaped_heading
from servers.router.converting.writing import stands_apart

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MAX_BYTES = 128 * 1024
"""The worst text of this length takes 3 s of CPU, an ordinary one 0.04 s (November 2026)."""
MAX_LEVELS = 16
"""Of what stands within each other: a quote is one, a list and its item are two."""
MAX_BLOCKS = 20_000
MAX_CELLS = 50_000
_ALIGNMENTS = {
    "text-align:left": ColumnAlignment.COLUMN_ALIGNMENT_LEFT,
    "text-align:center": ColumnAlignment.COLUMN_ALIGNMENT_CENTER,
    "text-align:right": ColumnAlignment.COLUMN_ALIGNMENT_RIGHT,
}
_UNSPECIFIED = ColumnAlignment.COLUMN_ALIGNMENT_UNSPECIFIED


def read(markdown: str) -> Document:
    """Return the blocks of a text. Every text is Markdown.

    Raises:
      TooLarge: it is longer, deeper or has more blocks or cells than the limits here.
    """
    size = len(markdown.encode())
    if size > MAX_BYTES:
        raise TooLarge(f"the text has {size} bytes, at most {MAX_BYTES}")
    reader = _Reader()
    for token in _parser().parse(markdown):
        reader.take(token)
    return reader.document


@cache
def _parser() -> MarkdownIt:
    # Imported for the first text: most installations convert none, and it takes 0.1 s.
    from markdown_it import MarkdownIt

    # It leaves out, and says nothing of, what is nested deeper than it is told: that is never reached here.
    parser = MarkdownIt("commonmark", {"maxNesting": MAX_LEVELS + 2}).enable("table")
    # What stands within lines is not looked at, and neither HTML nor definitions of links are blocks: both stay text.
    parser.core.ruler.enableOnly(["normalize", "block"])
    parser.disable(["html_block", "reference"])
    return parser


class _Reader:
    """Makes a document of the parser's tokens, which come in the order of the text."""

    def __init__(self) -> None:
        self.document = Document()
        self._open: list[Document | Quote | List | ListItem] = [self.document]
        self._heading = 0
        """Level of the one that is open; 0: none."""
        self._table: Table | None = None
        self._alignment = _UNSPECIFIED
        self._is_loose_text = False
        self._block_count = 0
        self._cell_count = 0

    def take(self, token: Token) -> None:
        """Take the next token. Raises TooLarge."""
        match token.type:
            case "blockquote_open":
                self._enter(self._block().quote)
            case "bullet_list_open" | "ordered_list_open":
                made = self._block().list
                made.is_ordered = token.type == "ordered_list_open"
                start = token.attrGet("start")
                if start is not None:
                    made.start = int(start)
                self._enter(made)
            case "list_item_open":
                self._count()
                parent = self._open[-1]
                assert isinstance(parent, List)
                self._enter(parent.items.add())
            case "bullet_list_close" | "ordered_list_close":
                closed = self._open.pop()
                assert isinstance(closed, List)
                closed.is_loose = stands_apart(closed)
            case "blockquote_close" | "list_item_close":
                self._open.pop()
            case "heading_open":
                self._heading = int(token.tag.removeprefix("h"))
            case "heading_close":
                self._heading = 0
            case "paragraph_open":
                self._is_loose_text = not token.hidden
            case "table_open":
                self._table = self._block().table
            case "table_close":
                self._table = None
            case "tr_open" if self._table is not None and self._table.columns:
                self._table.rows.add()
            case "th_open" | "td_open":
                self._alignment = _ALIGNMENTS.get(str(token.attrGet("style")), _UNSPECIFIED)
            case "inline":
                self._text(token.content)
            case "fence" | "code_block":
                code = self._block().code
                text = token.content
                # The last line of a fence that nothing closes may have no end.
                code.info, code.text = one_line(token.info), text if not text or text.endswith("\n") else f"{text}\n"
            case "hr":
                self._block().thematic_break.SetInParent()

    def _text(self, content: str) -> None:
        if self._table is not None:
            self._cell(self._table, content)
        elif self._heading:
            heading = self._block().heading
            heading.level, heading.text = self._heading, unescaped_heading(one_line(content))
        else:
            self._paragraph(unescaped(tidy(content)))

    def _paragraph(self, text: str) -> None:
        item = self._open[-1]
        if isinstance(item, ListItem):
            if self._is_loose_text:
                parent = self._open[-2]
                assert isinstance(parent, List)
                parent.is_loose = True
            if not item.blocks and not item.task:
                text = _without_box(text, item)
        if text:
            self._block().paragraph.text = text

    def _cell(self, table: Table, content: str) -> None:
        self._cell_count += 1
        if self._cell_count > MAX_CELLS:
            raise TooLarge(f"the tables have over {MAX_CELLS} cells")
        if table.rows:
            table.rows[-1].cells.append(one_line(content))
        else:
            table.columns.append(Column(header=one_line(content), alignment=self._alignment))

    def _block(self) -> Block:
        self._count()
        parent = self._open[-1]
        assert not isinstance(parent, List)
        return parent.blocks.add()

    def _enter(self, made: Any) -> None:
        made.SetInParent()
        self._open.append(made)
        if len(self._open) > 1 + MAX_LEVELS:
            raise TooLarge(f"lists and quotes are nested over {MAX_LEVELS} levels deep")

    def _count(self) -> None:
        self._block_count += 1
        if self._block_count > MAX_BLOCKS:
            raise TooLarge(f"the text has over {MAX_BLOCKS} blocks")


def _without_box(text: str, item: ListItem) -> str:
    """Return an item's first words without the box before them, which is noted."""
    box = TASK.match(text)
    if box:
        item.task = TaskState.TASK_STATE_OPEN if box[1] == " " else TaskState.TASK_STATE_DONE
        return tidy(text[box.end() :])
    return text[1:] if text.startswith("\\") and TASK.match(text, 1) else text
