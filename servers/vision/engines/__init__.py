"""Engines that read images."""
