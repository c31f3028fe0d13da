# A call that nobody has judged is not there.
# expect: held
import ctypes
import platform

NUMBERS = {
    "x86_64": {"clone3": 435},
    "aarch64": {"clone3": 435},
}
CALLS = {
    "clone3": (b"\0" * 88, 88),
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
