"""Engines with real models: tiny ones, made here, in environments of their own."""
