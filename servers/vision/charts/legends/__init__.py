"""Legends: which colour, dash or marker has which name."""
