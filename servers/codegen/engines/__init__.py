"""Engines of the codegen server."""
