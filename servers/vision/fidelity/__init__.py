"""Whether a figure's values may be used as they are: checks, confidence and verdict from the figure's message alone."""
