"""Programs: from a typed analysis to the text of a standalone Python file."""
