"""A picture prepared for reading: its colours, its runs of text, its bounds."""
