"""What may be made of what, and by whom."""

from __future__ import annotations

from loupe.router.v1.document_pb2 import ConvertRequest, ConvertResponse, ConvertTarget
from servers.kit.errors import InvalidField
from servers.router.converting.answers import find
from servers.router.converting.data import document_of
from servers.router.converting.reading import read
from servers.router.converting.writing import written

_DOCUMENT = ConvertTarget.CONVERT_TARGET_DOCUMENT
_MARKDOWN = ConvertTarget.CONVERT_TARGET_MARKDOWN
_JSON = ConvertTarget.CONVERT_TARGET_JSON
_USUAL = {"markdown": _DOCUMENT, "document": _MARKDOWN, "data_json": _MARKDOWN, "answer": _JSON}


def converted(request: ConvertRequest) -> ConvertResponse:
    """Return what a request asks for. A pure function of it; a large text takes seconds.

    Raises:
      InvalidField: the source is not what it says, or can't be made into the target.
      TooLarge: it is beyond the limits of `reading` and `data`.
    """
    source = request.WhichOneof("source") or ""
    target = request.target or _USUAL[source]
    if (source == "answer") != (target == _JSON):
        raise InvalidField("target", f"can't be {ConvertTarget.Name(target)} of {source}")
    if target == _JSON:
        found = find(request.answer)
        return ConvertResponse(json=found.json, dropped=found.dropped)
    if source == "markdown":
        document = read(request.markdown)
    else:
        document = document_of(request.data_json) if source == "data_json" else request.document
    if target == _MARKDOWN:
        return ConvertResponse(markdown=written(document))
    # In its normal form, as it would be read again.
    return ConvertResponse(document=document if source == "markdown" else read(written(document)))
