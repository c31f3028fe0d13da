# Memory has an end.
# expect: limit memory
# limits: memory_mib=200
held = []
while True:
    held.append(bytes(10_000_000))
