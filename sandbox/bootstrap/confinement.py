"""The last steps into the sandbox, taken inside it before any user code: mounts, limits, privileges, system calls.

Runs on the locked runtime with the standard library only. Every step raises when the kernel refuses it.
"""
# ruff: noqa: PTH101, PTH102, PTH123 - importing pathlib would slow every sandbox's start

import ctypes
import os
import resource
import struct
from typing import Any

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT, _MS_BIND = 1, 2, 4, 8, 32, 4096
_MNT_DETACH = 2
_PR_SET_DUMPABLE, _PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT = 4, 23, 24, 47
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38
_PR_CAP_AMBIENT_CLEAR_ALL, _SECCOMP_MODE_FILTER = 4, 2
_CAPABILITY_VERSION_3 = 0x20080522
_MOST_CAPABILITIES = 64  # bits of a capability set
_PAGE = os.sysconf("SC_PAGESIZE")

_libc = ctypes.CDLL(None, use_errno=True)


def build_box(size_bytes: int, inode_count: int, matplotlib: str, inputs: list[tuple[str, int]], spool: int) -> None:
    """Make /work, /tmp and /dev/shm one bounded file system and lay the inputs read-only into /work.

    Args:
      size_bytes, inode_count: what the program may use in the three folders together.
      matplotlib: folder whose files (settings, font cache) go to /tmp/matplotlib.
      inputs: name and size of each, in the order in which their bytes stand in `spool`.
      spool: descriptor of the inputs' bytes.
    """
    settings = [(entry.name, entry.stat().st_size) for entry in os.scandir(matplotlib)]
    # What we put there ourselves is not taken from the program's share: the root, four folders, one stub an input.
    size_bytes += sum(_pages(size) for _, size in settings)
    inode_count += 5 + len(settings) + len(inputs)
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    _mount("tmpfs", "/box", "tmpfs", flags, f"size={size_bytes},nr_inodes={inode_count},mode=0755")
    for folder, target in (("work", "/work"), ("tmp", "/tmp"), ("shm", "/dev/shm")):
        os.mkdir(f"/box/{folder}", 0o755)
        _mount(f"/box/{folder}", target, None, _MS_BIND, None)
    _detach("/box")
    os.mkdir("/tmp/matplotlib")
    for name, size in settings:
        with open(f"{matplotlib}/{name}", "rb") as source, open(f"/tmp/matplotlib/{name}", "wb") as copy:
            os.sendfile(copy.fileno(), source.fileno(), 0, size)
    _lay_inputs(inputs, spool)


def _lay_inputs(inputs: list[tuple[str, int]], spool: int) -> None:
    total = sum(_pages(size) for _, size in inputs)
    options = f"size={total + _PAGE},nr_inodes={len(inputs) + 1},mode=0755"
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    _mount("tmpfs", "/inputs", "tmpfs", flags, options)
    offset = 0
    for name, size in inputs:
        end = offset + size
        with open(f"/inputs/{name}", "wb") as file:
            while offset < end:
                offset += os.sendfile(file.fileno(), spool, offset, end - offset)
        os.chmod(f"/inputs/{name}", 0o444)
    _mount(None, "/inputs", None, _MS_REMOUNT | _MS_RDONLY | flags, options)
    for name, _ in inputs:
        # A file that is a mount point can be neither written, replaced, renamed nor removed.
        os.close(os.open(f"/work/{name}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444))
        _mount(f"/inputs/{name}", f"/work/{name}", None, _MS_BIND, None)
    _detach("/inputs")


def seal_proc() -> None:
    """Forbid further user namespaces, and make /proc read-only: its own rights would let a root write its sysctls."""
    with open("/proc/sys/user/max_user_namespaces", "w") as file:
        file.write("0")
    _mount(None, "/proc", None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, None)


def bound_resources(rlimits: dict[str, int], cpus: list[int]) -> None:
    """Set the limits that the kernel keeps for each process; no CPUs given means those of the service."""
    for name, value in rlimits.items():
        number = getattr(resource, name)
        hard = resource.getrlimit(number)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (value, value))
    if cpus:
        os.sched_setaffinity(0, cpus)


def drop_privileges() -> None:
    """Give up every capability for good, and hide this process's memory from the others of its uid."""
    empty_bounding_set()
    _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "clear ambient capabilities")
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, bytes(24)), "drop all capabilities")
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "forbid new privileges")
    set_dumpable(False)


def empty_bounding_set() -> None:
    """Keep this process, and all it starts, from ever getting a capability by executing a file."""
    for capability in range(_MOST_CAPABILITIES):
        if _libc.prctl(_PR_CAPBSET_READ, capability, 0, 0, 0) < 0:
            return  # this kernel knows no more of them
        _check(_libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0), "drop a capability")


def set_dumpable(is_dumpable: bool) -> None:
    """Say whether processes of the same uid may look into this one through /proc."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, int(is_dumpable), 0, 0, 0), "set dumpable")


def filter_system_calls(program: bytes) -> None:
    """Install a BPF program for this process and everything it starts."""

    class _Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    header = _Program(len(program) // 8, program)
    _check(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(header), 0, 0), "filter system calls")


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None) -> None:
    arguments: list[Any] = [text.encode() if text is not None else None for text in (source, target, kind)]
    data = options.encode() if options is not None else None
    _check(_libc.mount(*arguments, ctypes.c_ulong(flags), data), f"mount {target}")


def _detach(target: str) -> None:
    _check(_libc.umount2(target.encode(), _MNT_DETACH), f"detach {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _pages(size: int) -> int:
    return -(-size // _PAGE) * _PAGE
