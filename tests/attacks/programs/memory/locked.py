# Memory that can not be swapped is scarce.
# expect: held
# expect on runsc: any
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
if libc.mlockall(3) == 0:
    print("BREACH: all memory is locked")
print("held")
