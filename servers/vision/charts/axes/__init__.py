"""Axes: labels, ticks and grid lines become scales: linear, logarithmic, of dates, broken, of categories."""
