"""`loupe`: the command line."""
