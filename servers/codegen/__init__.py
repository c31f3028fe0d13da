"""Writes the Python of an analysis, and repairs it."""
