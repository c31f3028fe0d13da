"""The last steps into the sandbox, taken inside it before any user code: mounts, limits, privileges, system calls.

Runs on the locked runtime with the standard library only. Every step raises when the kernel refuses it.
"""
# ruff: noqa: PTH101, PTH102, PTH110, PTH112, PTH123 - importing pathlib would slow every sandbox's start

import ctypes
import os
import resource
import struct
from typing import Any

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT, _MS_BIND = 1, 2, 4, 8, 32, 4096
_MNT_DETACH = 2
# CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
_EVERY_NAMESPACE = 0x7E020000
_PR_GET_DUMPABLE, _PR_SET_DUMPABLE, _PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT = 3, 4, 23, 24, 47
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38
_PR_CAP_AMBIENT_CLEAR_ALL, _SECCOMP_MODE_FILTER = 4, 2
_CAPABILITY_VERSION_3 = 0x20080522
_MOST_CAPABILITIES = 64  # bits of a capability set
_PAGE = os.sysconf("SC_PAGESIZE")

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def leave_namespaces() -> None:
    """Give this process namespaces of its own, and full rights within them; its next child is process 1 of the new one.

    The uid stays the same number on both sides.
    """
    uid, gid = os.getuid(), os.getgid()
    _check(_libc.unshare(_EVERY_NAMESPACE), "leave the namespaces")
    for file, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{file}", "w") as opened:
            opened.write(text)


def mount_proc(hidden: list[str]) -> None:
    """Mount this process namespace's own /proc, and cover parts of it with nothing."""
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    _mount("proc", "/proc", "proc", flags, None)
    for path in hidden:
        if os.path.isdir(path):
            _mount("tmpfs", path, "tmpfs", flags | _MS_RDONLY, "size=4k,nr_inodes=1")
        elif os.path.exists(path):
            _mount("/dev/null", path, None, _MS_BIND, None)


def build_box(size_bytes: int, inode_count: int, matplotlib: str) -> None:
    """Make /work, /tmp and /dev/shm one bounded file system.

    Args:
      size_bytes, inode_count: what the program may use in the three folders together.
      matplotlib: folder whose files (settings, font cache) go to /tmp/matplotlib.
    """
    settings = [(entry.name, entry.stat().st_size) for entry in os.scandir(matplotlib)]
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    _mount("tmpfs", "/box", "tmpfs", flags, _box_options(size_bytes, inode_count, settings))
    for folder, target in (("work", "/work"), ("tmp", "/tmp"), ("shm", "/dev/shm")):
        os.mkdir(f"/box/{folder}", 0o755)
        _mount(f"/box/{folder}", target, None, _MS_BIND, None)
    _detach("/box")
    copy_settings(matplotlib)


def copy_settings(matplotlib: str) -> None:
    """Copy matplotlib's settings and font cache to where the environment says they are, and may be written."""
    os.mkdir("/tmp/matplotlib")
    for entry in os.scandir(matplotlib):
        with open(entry.path, "rb") as source, open(f"/tmp/matplotlib/{entry.name}", "wb") as copy:
            os.sendfile(copy.fileno(), source.fileno(), 0, entry.stat().st_size)


def resize_box(size_bytes: int, inode_count: int, matplotlib: str, input_count: int) -> None:
    """Bound the box anew; each input takes one inode of it that is not the program's."""
    settings = [(entry.name, entry.stat().st_size) for entry in os.scandir(matplotlib)]
    flags = _MS_REMOUNT | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    _mount(None, "/work", None, flags, _box_options(size_bytes, inode_count + input_count, settings))


def _box_options(size_bytes: int, inode_count: int, settings: list[tuple[str, int]]) -> str:
    # What we put there ourselves is not taken from the program's share: the root, four folders, the settings.
    size_bytes += sum(_pages(size) for _, size in settings)
    return f"size={size_bytes},nr_inodes={inode_count + 5 + len(settings)},mode=0755"


def mount_over(path: str, size_bytes: int) -> int:
    """Mount an empty file over one that exists; return a descriptor to write it through, until it is sealed."""
    _mount(
        "tmpfs", "/program", "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, f"size={size_bytes},nr_inodes=2,mode=0755"
    )
    fd = os.open("/program/file", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444)
    _mount("/program/file", path, None, _MS_BIND, None)
    return fd


def seal_mounted(path: str, fd: int) -> None:
    """Make what was mounted over a path read-only for good."""
    os.close(fd)
    _mount(None, path, None, _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, None)


def copy_bytes(source: int, offset: int, target: int, size: int) -> None:
    """Copy bytes from a position in one file to the end of another."""
    end = offset + size
    while offset < end:
        offset += os.sendfile(target, source, offset, end - offset)


def lay_inputs(inputs: list[tuple[str, int]], spool: int) -> None:
    """Lay files read-only into /work: a mount point can be neither written, replaced, renamed nor removed.

    Args:
      inputs: name and size of each, in the order in which their bytes stand in `spool`.
      spool: descriptor of the bytes.
    They stay readable in /inputs, too: unmounting that would cost more than all the rest.
    """
    total = sum(_pages(size) for _, size in inputs)
    options = f"size={total + _PAGE},nr_inodes={len(inputs) + 1},mode=0755"
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    _mount("tmpfs", "/inputs", "tmpfs", flags, options)
    offset = 0
    for name, size in inputs:
        with open(f"/inputs/{name}", "wb") as file:
            copy_bytes(spool, offset, file.fileno(), size)
        offset += size
        os.chmod(f"/inputs/{name}", 0o444)
    _mount(None, "/inputs", None, _MS_REMOUNT | _MS_RDONLY | flags, options)
    for name, _ in inputs:
        os.close(os.open(f"/work/{name}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444))
        _mount(f"/inputs/{name}", f"/work/{name}", None, _MS_BIND, None)


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


def mount_bounded(target: str, options: str) -> None:
    """Mount a fresh tmpfs with its bounds in `options`."""
    _mount("tmpfs", target, "tmpfs", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, options)


def bind(source: str, target: str) -> None:
    """Let one folder be seen at another's place."""
    _mount(source, target, None, _MS_BIND, None)


def drop_privileges() -> None:
    """Give up every capability, for good once the bounding set is empty; hide this memory from others of the uid."""
    _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "clear ambient capabilities")
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, bytes(24)), "drop all capabilities")
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "forbid new privileges")
    set_dumpable(False)


def rehearse(mounted: str) -> None:
    """Call the kernel as sealing a mounted file, dropping privileges and filtering do, and change nothing."""
    _mount(None, mounted, None, _MS_REMOUNT | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, None)
    header, present = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), ctypes.create_string_buffer(24)
    _check(_libc.capget(header, present), "look at the capabilities")
    _check(_libc.capset(header, present.raw), "keep the capabilities")
    set_dumpable(_libc.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) == 1)
    _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(_Program(0, b"")), 0, 0)  # refused: it is empty


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
