"""HTTP/1.1 on both sides of the router: connections to providers, and the listener that callers connect to."""
