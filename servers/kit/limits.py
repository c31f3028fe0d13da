"""Limits that hold in the whole mesh."""

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""Of any one message: what a gRPC client takes that sets no limit of its own. Larger things are files or streams."""
