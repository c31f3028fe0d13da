"""Histograms and box plots."""
