# A single huge request is refused, and told as memory.
# expect: limit memory
held = bytearray(1 << 50)
