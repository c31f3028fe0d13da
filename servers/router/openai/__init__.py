"""The OpenAI-compatible surface: the same calls in OpenAI's format, over HTTP."""
