"""Scatter charts."""
