# Where memory lies is the kernel's choice.
# expect: held
import ctypes
import platform

NUMBERS = {
    "x86_64": {"mbind": 237, "move_pages": 279, "migrate_pages": 256, "set_mempolicy": 238},
    "aarch64": {"mbind": 235, "move_pages": 239, "migrate_pages": 238, "set_mempolicy": 237},
}
CALLS = {
    "mbind": (0, 0, 0, None, 0, 0),
    "move_pages": (0, 0, None, None, None, 0),
    "migrate_pages": (0, 0, None, None),
    "set_mempolicy": (0, None, 0),
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
