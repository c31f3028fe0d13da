"""Code that runs inside a sandbox before the program: standard library only, and nothing of the service."""
