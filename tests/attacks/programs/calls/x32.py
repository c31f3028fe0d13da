# The third way to number calls on x86 ends the process.
# expect: failed or held
import ctypes
import os

if os.uname().machine == "x86_64":
    if ctypes.CDLL(None, use_errno=True).syscall(0x40000000 + 39) > 0:
        print("BREACH: x32")
print("held")
