"""A picture parted into the regions of its charts."""
