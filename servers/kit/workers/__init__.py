"""Processes of a server's own: what is slow, hostile or holds Python's lock is done beside its event loop."""
