"""The revision of the builtin reading."""

REVISION = "4"
"""Changes with every change of rules that may change an answer."""
