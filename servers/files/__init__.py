"""Bytes by reference: chunked upload and download, digest, media type from content."""
