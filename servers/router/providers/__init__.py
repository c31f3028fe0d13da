"""One file for each kind of provider, behind one Protocol."""
