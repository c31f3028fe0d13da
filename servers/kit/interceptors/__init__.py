"""What happens around every call, one aspect a module; `pipeline` puts them around a handler in one pass."""
