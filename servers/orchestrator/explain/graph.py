"""The nodes of an explanation in order, a selection of them, and one page of it that fits into a message."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from loupe.orchestrator.v1.control_pb2 import (
    ExplainJobRequest,
    ExplainJobResponse,
    ExplanationKind,
    ExplanationNode,
    ExplanationTotals,
)
from servers.kit.errors import InvalidField

PAGE_BYTES = 256 * 1024
"""No unary message is over 1 MiB, as JSON either, where a node takes three times as much; one alone stays below."""


class Graph:
    """Nodes, each after what it comes from."""

    def __init__(self) -> None:
        self._nodes: dict[str, ExplanationNode] = {}
        self.totals = ExplanationTotals()

    def add(self, node_id: str, kind: ExplanationKind.ValueType, text: str, sources: Iterable[str], **more: Any) -> str:
        """Add a node and return its id.

        Args:
          sources: nodes it comes from, which were added before.
          more: other fields of ExplanationNode.
        """
        known = [source for source in dict.fromkeys(sources) if source in self._nodes]
        self._nodes[node_id] = ExplanationNode(node_id=node_id, kind=kind, text=text, from_node_ids=known, **more)
        self.totals.node_count = len(self._nodes)
        if self._nodes[node_id].unexplained:
            self.totals.unexplained_count += 1
        return node_id

    def whole(self) -> ExplainJobResponse:
        """Return all of it, however large."""
        return ExplainJobResponse(nodes=self._nodes.values(), totals=self.totals)

    def page(self, request: ExplainJobRequest) -> ExplainJobResponse:
        """Return the page that a request asks for.

        Raises:
          InvalidField: there is no such node, or no such page.
        """
        nodes = self._behind(request.of_node_ids) if request.of_node_ids else list(self._nodes.values())
        start = _start(request.page_token, len(nodes))
        end, size = start, 0
        while end < len(nodes) and (not request.page_size or end - start < request.page_size):
            size += nodes[end].ByteSize() + 4
            if size > PAGE_BYTES and end > start:
                break
            end += 1
        token = str(end) if end < len(nodes) else ""
        return ExplainJobResponse(nodes=nodes[start:end], totals=self.totals, next_page_token=token)

    def _behind(self, wanted: Sequence[str]) -> list[ExplanationNode]:
        """Return nodes and all that they come from, in order."""
        for node_id in wanted:
            if node_id not in self._nodes:
                raise InvalidField("of_node_ids", f"the explanation has no node {node_id}")
        found: set[str] = set()
        waiting = list(wanted)
        while waiting:
            node_id = waiting.pop()
            if node_id not in found:
                found.add(node_id)
                waiting += self._nodes[node_id].from_node_ids
        return [node for node_id, node in self._nodes.items() if node_id in found]


def _start(token: str, count: int) -> int:
    if not token:
        return 0
    if not (token.isascii() and token.isdecimal() and 0 < int(token) < count):
        raise InvalidField("page_token", "is not one that this explanation gave")
    return int(token)
