"""Engines of the reasoning server."""
