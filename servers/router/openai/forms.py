"""Forms (multipart/form-data, RFC 7578) as the clients of OpenAI send recordings in: bounded, and strict."""

from __future__ import annotations

from typing import NamedTuple

from multipart import MultipartError, ParserLimitReached, PushMultipartParser, parse_options_header

from servers.kit.errors import InvalidField, TooLarge

MAX_PARTS = 32
MAX_FIELD_BYTES = 64 * 1024
_MAX_PART_HEADERS = 8
_MAX_HEADER_BYTES = 4096
# RFC 2046, section 5.1.1.
_MAX_BOUNDARY = 70
_MAX_CONTENT_TYPE = 1024


class Form(NamedTuple):
    """The parts of a form by their names, in their order."""

    fields: dict[str, list[str]]
    files: dict[str, list[bytes]]
    """Parts that have a file's name, which tells nothing here."""


def read_form(content_type: str, body: bytes) -> Form:
    """Return the parts of a whole body.

    Args:
      content_type: the header of the request, with the boundary.
    Raises:
      InvalidField: it is no form, or its last part is not whole.
      TooLarge: it has too many parts, or a field is too long; files are as long as the body may be.
    """
    kind, options = parse_options_header(content_type[:_MAX_CONTENT_TYPE])
    boundary = options.get("boundary", "")
    if kind != "multipart/form-data" or not (boundary.isascii() and 0 < len(boundary) <= _MAX_BOUNDARY):
        raise InvalidField("body", "is no multipart/form-data with a boundary")
    parser = PushMultipartParser(
        boundary,
        content_length=len(body),
        max_header_size=_MAX_HEADER_BYTES,
        max_header_count=_MAX_PART_HEADERS,
        max_segment_count=MAX_PARTS,
        strict=True,
    )
    form = Form({}, {})
    pieces: list[bytes] = []
    is_file, name = False, ""
    try:
        with parser:
            for event in parser.parse(body):
                if event is None:
                    _keep(form, name, b"".join(pieces), is_file=is_file)
                elif isinstance(event, bytes | bytearray):
                    pieces.append(bytes(event))
                else:
                    pieces = []
                    is_file, name = event.filename is not None, event.name
    except ParserLimitReached as error:
        raise TooLarge(f"the form is beyond its limits: {error}") from error
    except MultipartError as error:
        raise InvalidField("body", f"is no form: {error}") from error
    return form


def _keep(form: Form, name: str, content: bytes, *, is_file: bool) -> None:
    if is_file:
        form.files.setdefault(name, []).append(content)
        return
    if len(content) > MAX_FIELD_BYTES:
        raise TooLarge(f"the field {name[:64]!r} has {len(content)} bytes, at most {MAX_FIELD_BYTES}")
    try:
        form.fields.setdefault(name, []).append(content.decode())
    except UnicodeDecodeError as error:
        raise InvalidField(name[:64], "is no UTF-8") from error
