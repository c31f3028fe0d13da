# These widen the way into the kernel.
# expect: held
import ctypes
import platform

NUMBERS = {
    "x86_64": {
        "bpf": 321,
        "userfaultfd": 323,
        "io_uring_setup": 425,
        "io_uring_enter": 426,
        "keyctl": 250,
        "add_key": 248,
        "request_key": 249,
        "lookup_dcookie": 212,
        "vmsplice": 278,
        "modify_ldt": 154,
    },
    "aarch64": {
        "bpf": 280,
        "userfaultfd": 282,
        "io_uring_setup": 425,
        "io_uring_enter": 426,
        "keyctl": 219,
        "add_key": 217,
        "request_key": 218,
        "lookup_dcookie": 18,
        "vmsplice": 75,
    },
}
CALLS = {
    "bpf": (0, b"\0" * 128, 128),
    "userfaultfd": (1,),
    "io_uring_setup": (8, b"\0" * 120),
    "io_uring_enter": (0, 0, 0, 0, None),
    "keyctl": (0, -3, 1),
    "add_key": (b"user", b"x", b"y", 1, -3),
    "request_key": (b"user", b"x", None, -3),
    "lookup_dcookie": (0, None, 0),
    "vmsplice": (1, None, 0, 0),
    "modify_ldt": (0, None, 0),
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
