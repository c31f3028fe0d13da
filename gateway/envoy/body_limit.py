"""The filter that bounds the body of a REST call.

The transcoder's own `max_request_body_size` let 5 MB through where 1 MiB was set (Envoy 1.40.0, November 2026).
"""

from __future__ import annotations

from typing import Any

_NAME = "envoy.filters.http.buffer"
_TYPE = "type.googleapis.com/envoy.extensions.filters.http.buffer.v3"


def body_limit() -> dict[str, Any]:
    """Return the filter, which acts only on routes that set a limit: it holds the body until it is whole."""
    return {
        "name": _NAME,
        "disabled": True,
        "typed_config": {"@type": f"{_TYPE}.Buffer", "max_request_bytes": 1},
    }


def body_limited_to(size_bytes: int) -> dict[str, Any]:
    """Return the setting of a route whose requests are refused with 413 beyond this size."""
    return {_NAME: {"@type": f"{_TYPE}.BufferPerRoute", "buffer": {"max_request_bytes": size_bytes}}}
