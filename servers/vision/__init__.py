"""Vision: an image becomes figures, text blocks and a caption, each with its pixel evidence."""
