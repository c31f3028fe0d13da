# A small archive that unpacks to much is bounded by what it unpacks to.
# expect: limit memory
# limits: memory_mib=200
import zlib

packed = zlib.compress(bytes(1 << 24), 9)
held = []
while True:
    held.append(zlib.decompress(packed))
