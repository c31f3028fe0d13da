# Mapped memory counts as any other.
# expect: limit memory
# limits: memory_mib=200
import mmap

held = []
while True:
    area = mmap.mmap(-1, 16 << 20)
    for offset in range(0, len(area), 4096):
        area[offset] = 1
    held.append(area)
