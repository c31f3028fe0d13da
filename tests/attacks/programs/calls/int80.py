# The 32-bit way into the kernel ends the process.
# expect: failed or held
# expect on runsc: any
import ctypes
import mmap
import os

if os.uname().machine == "x86_64":
    # mov eax, 20 (getpid of 32 bits); int 0x80; ret
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    entry = ctypes.addressof(ctypes.c_char.from_buffer(page))
    if ctypes.CFUNCTYPE(ctypes.c_int)(entry)() == os.getpid():
        print("BREACH: int 0x80")
print("held")
