"""Runs approved Python behind hard limits: its own trust boundary, apart from the model servers."""
