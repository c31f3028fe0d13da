# A process stays what it is: no fixed addresses, no 32-bit ways.
# expect: held
# expect on runsc: any
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
for persona in (0x0040000, 0x0000008, 0x0400000):
    if libc.personality(persona) >= 0:
        print("BREACH: personality", hex(persona))
print("held")
