# Time is the same for all.
# expect: held
import ctypes
import platform

NUMBERS = {
    "x86_64": {"settimeofday": 164, "clock_settime": 227, "adjtimex": 159, "clock_adjtime": 305},
    "aarch64": {"settimeofday": 170, "clock_settime": 112, "adjtimex": 171, "clock_adjtime": 266},
}
CALLS = {
    "settimeofday": (b"\0" * 16, None),
    "clock_settime": (0, b"\0" * 16),
    "adjtimex": (b"\xff" * 208,),
    "clock_adjtime": (0, b"\xff" * 208),
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
