# No capability is there, and none comes back.
# expect: held
import ctypes
import struct

status = dict(line.split(":", 1) for line in open("/proc/self/status"))
for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
    if name in status and int(status[name], 16):
        print("BREACH:", name, status[name])
libc = ctypes.CDLL(None, use_errno=True)
header = struct.pack("=Ii", 0x20080522, 0)
if libc.capset(header, struct.pack("=6I", 0xFFFFFFFF, 0xFFFFFFFF, 0, 0xFF, 0xFF, 0)) == 0:
    print("BREACH: capabilities set")
if libc.prctl(39, 0, 0, 0, 0) != 1:
    print("BREACH: new privileges can be gained")
print("held")
