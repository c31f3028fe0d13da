"""The shared runtime of every server: lifecycle, errors, interceptors, configuration, identity, channels."""
