# Files that live in memory only are on no disk that is counted.
# expect: held
import ctypes
import platform

NUMBERS = {
    "x86_64": {"memfd_create": 319, "memfd_secret": 447},
    "aarch64": {"memfd_create": 279, "memfd_secret": 447},
}
CALLS = {
    "memfd_create": (b"x", 0),
    "memfd_secret": (0,),
}

libc = ctypes.CDLL(None, use_errno=True)
numbers = NUMBERS[platform.machine()]
for name, arguments in CALLS.items():
    if name not in numbers:
        continue
    ctypes.set_errno(0)
    answer = libc.syscall(numbers[name], *arguments)
    if answer >= 0:
        print("BREACH:", name, "gave", answer)
print("held")
