# Watching another process is for debuggers.
# expect: held
import ctypes
import platform

NUMBERS = {
    "x86_64": {
        "ptrace": 101,
        "process_vm_readv": 310,
        "process_vm_writev": 311,
        "kcmp": 312,
        "pidfd_getfd": 438,
        "process_madvise": 440,
        "perf_event_open": 298,
    },
    "aarch64": {
        "ptrace": 117,
        "process_vm_readv": 270,
        "process_vm_writev": 271,
        "kcmp": 272,
        "pidfd_getfd": 438,
        "process_madvise": 440,
        "perf_event_open": 241,
    },
}
CALLS = {
    "ptrace": (16, 1, 0, 0),
    "process_vm_readv": (1, None, 0, None, 0, 0),
    "process_vm_writev": (1, None, 0, None, 0, 0),
    "kcmp": (1, 1, 0, 0, 0),
    "pidfd_getfd": (0, 0, 0),
    "process_madvise": (0, None, 0, 0, 0),
    "perf_event_open": (b"\0" * 128, 0, -1, -1, 0),
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
