"""Tables: grids of aligned text, with or without rules, become typed cells."""
