# What the kernel keeps outside of files would last.
# expect: held
import ctypes
import platform

NUMBERS = {
    "x86_64": {"shmget": 29, "semget": 64, "msgget": 68, "mq_open": 240},
    "aarch64": {"shmget": 194, "semget": 190, "msgget": 186, "mq_open": 180},
}
CALLS = {
    "shmget": (1, 4096, 0o1777),
    "semget": (1, 1, 0o1777),
    "msgget": (1, 0o1777),
    "mq_open": (b"x", 0o102, 0o666, None),
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
