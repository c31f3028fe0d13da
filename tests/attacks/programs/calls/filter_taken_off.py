# A filter stays for good.
# expect: held
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(22, 0, 0, 0, 0)
if libc.prctl(38, 0, 0, 0, 0) == 0:
    print("BREACH: new privileges")
if libc.unshare(0x10000000) == 0:
    print("BREACH: the filter is gone")
print("held")
