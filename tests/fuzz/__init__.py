"""Hostile inputs of every shape: a few of the same in each `make test`, thousands of new ones in `make fuzz`."""
