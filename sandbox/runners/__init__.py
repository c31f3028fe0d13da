"""One file per way of confining a program, behind the Protocol in `base`."""
