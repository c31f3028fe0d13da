# A handle opens a file past every folder.
# expect: held
import ctypes
import platform

NUMBERS = {
    "x86_64": {"open_by_handle_at": 304, "name_to_handle_at": 303, "fanotify_init": 300},
    "aarch64": {"open_by_handle_at": 265, "name_to_handle_at": 264, "fanotify_init": 262},
}
CALLS = {
    "open_by_handle_at": (-100, b"\0" * 64, 0),
    "name_to_handle_at": (-100, b"/", b"\0" * 64, b"\0" * 8, 0),
    "fanotify_init": (0, 0),
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
