# Only the machine's owner does these.
# expect: held
import ctypes
import platform

NUMBERS = {
    "x86_64": {
        "reboot": 169,
        "kexec_load": 246,
        "kexec_file_load": 320,
        "init_module": 175,
        "finit_module": 313,
        "delete_module": 176,
        "swapon": 167,
        "swapoff": 168,
        "acct": 163,
        "syslog": 103,
        "iopl": 172,
        "ioperm": 173,
        "quotactl": 179,
        "vhangup": 153,
    },
    "aarch64": {
        "reboot": 142,
        "kexec_load": 104,
        "kexec_file_load": 294,
        "init_module": 105,
        "finit_module": 273,
        "delete_module": 106,
        "swapon": 224,
        "swapoff": 225,
        "acct": 89,
        "syslog": 116,
        "quotactl": 60,
        "vhangup": 58,
    },
}
CALLS = {
    "reboot": (0xFEE1DEAD, 672274793, 0, None),
    "kexec_load": (0, 0, None, 0),
    "kexec_file_load": (-1, -1, 0, None, 0),
    "init_module": (None, 0, b""),
    "finit_module": (-1, b"", 0),
    "delete_module": (b"x", 0),
    "swapon": (b"/x", 0),
    "swapoff": (b"/x",),
    "acct": (None,),
    "syslog": (3, None, 0),
    "iopl": (3,),
    "ioperm": (0, 1, 1),
    "quotactl": (0, None, 0, None),
    "vhangup": (),
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
