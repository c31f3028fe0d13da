# The children's memory counts with their parent's.
# expect: limit memory
# limits: memory_mib=250
import os
import time

for _ in range(8):
    if os.fork() == 0:
        held = bytearray(b"x") * 80_000_000
        time.sleep(60)
for _ in range(8):
    if os.WIFSIGNALED(os.wait()[1]):
        raise MemoryError
