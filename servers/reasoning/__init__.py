"""Decides what to do next, and turns a question into a typed analysis."""
