"""What stands between callers and the servers."""
