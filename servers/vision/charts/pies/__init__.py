"""Pies and rings."""
