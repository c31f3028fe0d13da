"""A model's chat template, rendered as transformers renders it, in a process of its own: `python chat_template.py`.

A template is a program that came with a model. Jinja's sandbox keeps it from Python's insides, but not from turning
loops without end or from making a text of many gigabytes; so it runs in a process that has only so much memory and is
killed when its time is over (`template_process`). It reads frames on stdin and answers each on stdout: 4 bytes of
length, little-endian, and JSON. The first holds the template's source, every other the variables of one prompt.
Imports nothing of Loupe, so that it starts quickly and holds no secrets.
"""

from __future__ import annotations

import json
import resource
import sys
from datetime import datetime
from typing import Any, BinaryIO

import jinja2.ext
from jinja2 import Template, TemplateError, nodes
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

MEMORY_BYTES = 512 * 1024 * 1024
MAX_TEXT = 8 * 1024 * 1024
"""Characters of a prompt; no model reads as many."""


class _Generation(jinja2.ext.Extension):
    """{% generation %}: marks, for training, what the model said; here its content is all of it."""

    tags = {"generation"}  # noqa: RUF012 - as jinja declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Return what stands between the marks."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def compile_template(source: str) -> Template:
    """Return a template that knows what transformers gives its chat templates (5.23). Raises TemplateError."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols]
    )
    # Jinja's own would escape < and > for HTML.
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = _now
    return environment.from_string(source)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> None:
    raise TemplateError(message)


def _now(wanted: str) -> str:
    return datetime.now().strftime(wanted)


def main() -> None:
    """Answer frames until stdin ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    template: Template | None = None
    while (frame := _read(requests)) is not None:
        try:
            if template is None:
                template = compile_template(frame["source"])
                answer = {"text": ""}
            else:
                text = template.render(**frame)
                answer = {"text": text} if len(text) <= MAX_TEXT else {"error": "its text is too long"}
        # Templates raise what Python raises, too: a missing key, a wrong type, a recursion without end.
        except Exception as error:
            answer = {"error": type(error).__name__}
        _write(answers, answer)


def _read(stream: BinaryIO) -> dict[str, Any] | None:
    head = stream.read(4)
    if len(head) < 4:
        return None
    frame: dict[str, Any] = json.loads(stream.read(int.from_bytes(head, "little")))
    return frame


def _write(stream: BinaryIO, answer: dict[str, str]) -> None:
    body = json.dumps(answer).encode()
    stream.write(len(body).to_bytes(4, "little") + body)
    stream.flush()


if __name__ == "__main__":
    main()
