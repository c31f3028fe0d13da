# Mounting would change what is seen.
# expect: held
import ctypes
import platform

NUMBERS = {
    "x86_64": {
        "mount": 165,
        "umount2": 166,
        "pivot_root": 155,
        "move_mount": 429,
        "open_tree": 428,
        "fsopen": 430,
        "fsmount": 432,
        "fspick": 433,
        "mount_setattr": 442,
    },
    "aarch64": {
        "mount": 40,
        "umount2": 39,
        "pivot_root": 41,
        "move_mount": 429,
        "open_tree": 428,
        "fsopen": 430,
        "fsmount": 432,
        "fspick": 433,
        "mount_setattr": 442,
    },
}
CALLS = {
    "mount": (b"tmpfs", b"/tmp", b"tmpfs", 0, None),
    "umount2": (b"/work", 2),
    "pivot_root": (b"/", b"/tmp"),
    "move_mount": (-1, b"", -1, b"", 0),
    "open_tree": (-100, b"/", 1),
    "fsopen": (b"tmpfs", 0),
    "fsmount": (3, 0, 0),
    "fspick": (-100, b"/", 0),
    "mount_setattr": (-100, b"/", 0, b"\0" * 32, 32),
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
