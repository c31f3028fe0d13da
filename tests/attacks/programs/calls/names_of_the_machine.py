# The machine keeps its name.
# expect: held
import ctypes
import platform

NUMBERS = {
    "x86_64": {"sethostname": 170, "setdomainname": 171},
    "aarch64": {"sethostname": 161, "setdomainname": 162},
}
CALLS = {
    "sethostname": (b"x", 1),
    "setdomainname": (b"x", 1),
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
