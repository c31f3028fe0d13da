# A namespace of its own would bring every right back.
# expect: held
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
flags = {
    "user": 0x10000000,
    "mount": 0x20000,
    "pid": 0x20000000,
    "net": 0x40000000,
    "ipc": 0x8000000,
    "uts": 0x4000000,
    "cgroup": 0x2000000,
}
for name, flag in flags.items():
    if libc.unshare(flag) == 0:
        print("BREACH: unshare", name)
    pid = libc.syscall({"x86_64": 56, "aarch64": 220}[os.uname().machine], flag | 17, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    if pid > 0:
        print("BREACH: clone", name)
        os.waitpid(pid, 0)
print("held")
