"""Area charts."""
