"""Phrases: patterns for the ways in which people ask for one thing."""

from __future__ import annotations


def any_of(*patterns: str) -> str:
    """Return the pattern that matches where one of the patterns does, each between ends of words."""
    return "|".join(rf"\b(?:{pattern})(?!\w)" for pattern in patterns)
