"""Texts as typed documents: Markdown read and written, data told in Markdown, and JSON found in what a model said."""
