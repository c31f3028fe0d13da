"""One door to models: chooses a provider, survives its failures, and accounts for every token."""
